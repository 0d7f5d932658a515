"""Owns: what must be equal between two listings, and arithmetic on listings (what a volume should hold after an append)."""

import copy

ATTRIBUTES = ("type", "mode", "uid", "gid", "target", "rdev", "mtime", "atime", "ctime", "sha256")


def groups(listing):
    """path -> the first path of its inode, for inodes with several names."""
    first, result = {}, {}
    for entry in sorted(listing, key=lambda e: e["path"]):
        if entry.get("type") != "directory" and entry.get("ino") is not None:
            result[entry["path"]] = first.setdefault(entry["ino"], entry["path"])
    return result


def subfolders(listing):
    count = {e["path"]: 0 for e in listing if e["type"] == "directory"}
    for entry in listing:
        if entry["type"] == "directory" and entry["path"] != ".":
            count[parent(entry["path"])] += 1
    return count


def parent(path):
    return path.rpartition("/")[0] or "."


def expected(listing):
    """A source listing as the volume must show it: links are counted among the names that are there.

    A directory's count is that of POSIX: its name, its ".", and the ".." of each directory in it.  What is recorded is one
    less (ECMA-167 4/14.9.6 counts the entries that identify it, and "." is none); the kernel adds it when it reads."""
    listing = copy.deepcopy(sorted(listing, key=lambda e: e["path"]))
    group, folders = groups(listing), subfolders(listing)
    names = {}
    for first in group.values():
        names[first] = names.get(first, 0) + 1
    for entry in listing:
        entry["group"] = group.get(entry["path"], entry["path"])
        entry["nlink"] = 2 + folders[entry["path"]] if entry["type"] == "directory" else names[entry["group"]]
    return listing


def overlay(base, added):
    """`added` merged over `base`: its files replace, its directories join.  A directory that is in both may keep its
    attributes or take the new ones: both are right."""
    result = {e["path"]: e for e in copy.deepcopy(base)}
    for entry in copy.deepcopy(added):
        old = result.get(entry["path"])
        if old and old["type"] == entry["type"] == "directory":
            entry["either"] = [old] + old.get("either", [])
        result[entry["path"]] = entry
    return touched(result.values(), (e["path"] for e in added))


def without(base, paths):
    """`base` less those paths and what is below them."""
    gone = tuple(paths)
    left = [copy.deepcopy(e) for e in base if not any(e["path"] == g or e["path"].startswith(g + "/") for g in gone)]
    return touched(left, gone)


def touched(listing, paths):
    """Directories in which names come or go may get new times."""
    changed = {parent(path) for path in paths}
    listing = sorted(listing, key=lambda e: e["path"])
    for entry in listing:
        if entry["path"] in changed and entry["type"] == "directory":
            entry["touched"] = True
    return listing


def mirrored(base, source):
    """`source` as the volume shows it after `--mirror`: what did not change may keep its recorded times of access and
    of attribute change; a directory may keep its own."""
    old = {e["path"]: e for e in base}
    result = copy.deepcopy(source)
    for entry in result:
        before = old.get(entry["path"])
        if before and before["type"] == entry["type"]:
            entry["either"] = [{k: before[k] for k in ("atime", "ctime")}]
    return touched(result, set(old) ^ {e["path"] for e in result})


def differences(want, got, skip=()):
    """Every difference as a line of text; [] is equal.  `want` comes from `expected`; fields in `skip` are not compared."""
    want, got = {e["path"]: e for e in want}, {e["path"]: e for e in got}
    lines = [f"{path}: missing" for path in sorted(set(want) - set(got))]
    lines += [f"{path}: not expected" for path in sorted(set(got) - set(want))]
    group = groups(got.values()) if "group" not in skip else {}
    for path in sorted(set(want) & set(got)):
        w, g = want[path], got[path]
        if g.get("error"):
            lines.append(f"{path}: {g['error']}")
            continue
        for field in ATTRIBUTES + ("nlink", "size", "group"):
            if field in skip or (field == "size" and w["type"] == "directory"):
                continue
            have = group.get(path, path) if field == "group" else g.get(field)
            if w.get(field) == have or any(field in other and have == other[field] for other in w.get("either", ())):
                continue
            if w.get("touched") and field in ("mtime", "ctime", "atime") and have and have >= w["ctime"]:
                continue
            show = oct if field == "mode" and isinstance(have, int) else repr
            lines.append(f"{path}: {field} {show(have)}, not {show(w.get(field))}")
    return lines


def brief(lines, limit=4):
    """The start of a list of differences on one line."""
    more = f" (and {len(lines) - limit} more)" if len(lines) > limit else ""
    short = (line if len(line) < 160 else line[:80] + "..." + line[-70:] for line in lines[:limit])
    return "; ".join(short).encode("utf-8", "backslashreplace").decode() + more
