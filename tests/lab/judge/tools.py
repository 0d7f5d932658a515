"""Owns: driving each foreign reader: one function a program, which returns the differences that it shows.

An image is a dict: path, want (listing), revision, block, label.  `room` is an empty folder."""

import hashlib
import os
import subprocess

import compare
import listing
from commands import least_read

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTENT = {"mode", "uid", "gid", "mtime", "atime", "ctime", "nlink", "group", "rdev"}   # what an extraction need not keep


class Trouble(Exception):
    """The program failed or complained."""


def call(*words, cwd=None, stdin=None, quiet=True, timeout=120):
    """Standard output; status 0 and (unless not quiet) an empty standard error are required."""
    env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC0")
    try:
        done = subprocess.run(words, cwd=cwd, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, env=env, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{words[0]} hangs")
    error = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode or (quiet and error):
        raise Trouble(f"exit {done.returncode}: {error or done.stdout.decode('utf-8', 'replace').strip()[-300:]}"[:400])
    return done.stdout.decode("utf-8", "surrogateescape")


def contents(image, folder):
    """Names and contents of an extracted tree against the image's; the root's own facts do not count."""
    got = [e for e in listing.walk(folder) if e["path"] != "."]
    return compare.differences([e for e in image["want"] if e["path"] != "."], got, CONTENT)


def count(image, kind):
    return sum(1 for e in image["want"] if (e["type"] == "directory") == (kind == "directory"))


def udfinfo(image, room, context):
    """No warning, the volume as it was asked for, and the same facts as our own info prints."""
    theirs = dict(line.split("=", 1) for line in call("udfinfo", image["path"]).splitlines() if not line.startswith("start="))
    ours = context.product.info(image["path"])
    want = {"udfrev": least_read(image["reader_revision"]), "blocksize": str(image["block"]), "label": image["label"],
            "numfiles": str(count(image, "file")), "numdirs": str(count(image, "directory"))}
    lines = [f"{key} is {theirs.get(key)!r}, not {value!r}" for key, value in want.items() if theirs.get(key) != value]
    for key, value in theirs.items():
        if key not in ("filename",) and key in ours and ours[key] != value:
            lines.append(f"{key} is {value!r}, our info says {ours[key]!r}")
    lines += [f"our info has no {key}" for key in (*want, "uuid", "lvid", "vid", "vsid", "integrity") if key not in ours]
    return lines


def blkid(image, room, context):
    facts = dict(line.split("=", 1) for line in call("blkid", "-p", "-o", "export", image["path"]).splitlines())
    ours = context.product.info(image["path"])
    want = {"TYPE": "udf", "USAGE": "filesystem", "VERSION": image["revision"], "BLOCK_SIZE": str(image["block"]),
            "LABEL": image["label"], "UUID": ours.get("uuid")}
    facts["LABEL"] = call("blkid", "-p", "-s", "LABEL", "-o", "value", image["path"]).rstrip("\n")     # the export form escapes
    return [f"{key} is {facts.get(key)!r}, not {value!r}" for key, value in want.items() if facts.get(key) != value]


def udfdump(image, room, context):
    """Every ASCII path once, and as many others as there are: it replaces other characters and appends a checksum."""
    text = call("udfdump", "-t", "-b", str(image["block"]), image["path"], quiet=False)
    got = sorted(line.split(":Rootdir/", 1)[1].rstrip() for line in text.splitlines() if line.startswith(":Rootdir/"))
    want = sorted(e["path"] for e in image["want"] if e["type"] == "file")
    lines = [f"{path}: missing" for path in want if path.isascii() and path not in got]
    lines += [f"{path}: not expected" for path in got if "_#" not in path and path not in want]
    if len(got) != len(want):
        lines.append(f"{len(got)} files, not {len(want)}")
    return lines


def udfclient(image, room, context):
    """Fetches whole directories; names that it cannot show are compared by content alone."""
    start = call("udfclient", "-b", str(image["block"]), image["path"], stdin=b"quit\n", quiet=False)
    rows = start.partition("Directory listing of /")[2].splitlines()
    volume = next((row.split(None, 4)[4] for row in rows if row.startswith("d")), None)
    if not volume:
        raise Trouble("no volume found: " + " ".join(start.split())[-200:])
    tops = sorted({e["path"].split("/")[0] for e in image["want"] if e["path"] != "."})
    script = "".join(f'get "/{volume}/{top}" "{top}"\n' for top in tops) + "quit\n"
    call("udfclient", "-b", str(image["block"]), os.path.abspath(image["path"]), stdin=script.encode(), cwd=room, quiet=False)
    got = {e["path"]: e["sha256"] for e in listing.walk(room) if e["type"] == "file"}
    want = {e["path"]: e["sha256"] for e in image["want"] if e["type"] == "file"}
    lines = [f"{path}: {'other contents' if path in got else 'missing'}" for path, sha in want.items() if path.isascii() and got.get(path) != sha]
    odd = sorted(sha for path, sha in want.items() if not path.isascii())
    if odd != sorted(sha for path, sha in got.items() if path not in want):
        lines.append("the files with names beyond ASCII differ")
    return lines


def sevenzip(image, room, context):
    test = call("7zz", "t", image["path"])
    lines = [line for line in test.splitlines() if "warning" in line.lower()]
    call("7zz", "x", "-bd", f"-o{room}", image["path"])
    lines += contents(image, room)
    rows = dict(line.split(" = ", 1) for line in call("7zz", "l", "-slt", image["path"]).split("----------")[0].splitlines() if " = " in line)
    if rows.get("Version") != image["revision"]:
        lines.append(f"version {rows.get('Version')}, not {image['revision']}")
    if int(rows.get("Physical Size", 0)) != os.path.getsize(image["path"]):
        lines.append(f"{rows.get('Physical Size')} bytes of {os.path.getsize(image['path'])} belong to the volume")
    return lines


def build_libudfread(work):
    """Compiles our small program on libudfread; the reason why not, or None."""
    done = subprocess.run(["gcc", "-O2", "-Wall", "-o", f"{work}/udfread-extract", f"{HERE}/readers/udfread-extract.c", "-ludfread"],
                          capture_output=True, text=True)
    return done.stderr.strip()[-300:] or "gcc fails" if done.returncode else None


def libudfread(image, room, context):
    label = call(f"{context.work}/readers/udfread-extract", image["path"], f"{room}/out").strip()
    lines = [] if label == image["label"] else [f"label {label!r}, not {image['label']!r}"]
    return lines + contents(image, f"{room}/out")


def grub(image, room, context):
    """Names of every directory, and the contents of what is not one of very many."""
    path, lines = os.path.abspath(image["path"]), []
    for entry in image["want"]:
        name, kind = entry["path"], entry["type"]
        if kind == "directory":
            shown = call("grub-fstest", path, "ls", "--", "-a", "(loop0)/" + ("" if name == "." else name + "/"))
            want = sorted(e["path"].rpartition("/")[2] + ("/" if e["type"] == "directory" else "")
                          for e in image["want"] if compare.parent(e["path"]) == name and e["path"] != ".")
            if sorted(word for word in shown.split() if word not in ("./", "../")) != sorted(" ".join(want).split()):
                lines.append(f"{name}: other names")
        elif not name.startswith("many/"):
            call("grub-fstest", path, "cp", f"(loop0)/{name}", f"{room}/file")
            with open(f"{room}/file", "rb") as f:
                if hashlib.sha256(f.read()).hexdigest() != entry["sha256"]:
                    lines.append(f"{name}: other contents")
            os.unlink(f"{room}/file")
    return lines
