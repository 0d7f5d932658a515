"""Owns: what a tree looks like to a POSIX reader.  `walk` lists any mounted tree, on the host and in the guest.

One dict a path: path ("." is the root), type, mode, uid, gid, nlink, ino, mtime/atime/ctime in whole microseconds (what
UDF can hold), size and blocks, and where they apply target, rdev, sha256."""

import hashlib
import json
import os
import stat
import threading

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFBLK: "block", stat.S_IFCHR: "char"}
LOCAL = threading.local()    # a buffer each, for good: in a guest, memory that comes and goes costs more than what is read


def _buffer():
    if not hasattr(LOCAL, "buffer"):
        LOCAL.buffer = memoryview(bytearray(1 << 20))
    return LOCAL.buffer


def text(path):
    return path.decode("utf-8", "surrogateescape")


def walk(root, remembered=None):
    """Every object below and including `root`, sorted by path.

    `remembered` spares a caller who lists an unchanging tree again its contents; that also keeps the access times of
    symlinks, which cannot be read without touching them (of a file with several names the first look counts)."""
    entries = []
    _visit(os.fsencode(root), b"", 0, entries, {} if remembered is None else remembered, {})
    return sorted(entries, key=lambda e: e["path"])


def _visit(path, name, depth, entries, remembered, linked):
    entry = {"path": text(name) or "."}
    entries.append(entry)
    try:
        facts = os.lstat(path)
        if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
            facts = linked.setdefault(facts.st_ino, facts)
        kind = TYPES[stat.S_IFMT(facts.st_mode)]
        entry.update(type=kind, mode=stat.S_IMODE(facts.st_mode), uid=facts.st_uid, gid=facts.st_gid, size=facts.st_size,
                     nlink=facts.st_nlink, ino=facts.st_ino, blocks=facts.st_blocks, mtime=facts.st_mtime_ns // 1000,
                     atime=facts.st_atime_ns // 1000, ctime=facts.st_ctime_ns // 1000)
        if kind in ("block", "char"):
            entry["rdev"] = f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"
        elif kind == "symlink":
            key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            entry["target"] = remembered[key] if key in remembered else remembered.setdefault(key, text(os.readlink(path)))
        elif kind == "file":
            entry["sha256"] = _digest(path, facts, remembered)
        elif kind == "directory":
            if depth > 200:
                raise OSError("directories without end")
            folder = _open(path, os.O_DIRECTORY)
            try:
                names = os.listdir(folder)
            finally:
                os.close(folder)
            if len(set(names)) != len(names):
                entry["error"] = "a name occurs twice"
            for child in names:
                child = os.fsencode(child)
                _visit(path + b"/" + child, name + b"/" + child if name else child, depth + 1, entries, remembered, linked)
    except OSError as error:
        entry["error"] = str(error.strerror or error)


def _open(path, flags):
    try:
        return os.open(path, os.O_RDONLY | os.O_NOATIME | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


def _digest(path, facts, remembered):
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key in remembered:
        return remembered[key]
    sha, seen, buffer = hashlib.sha256(), 0, _buffer()
    if facts.st_size:
        file = _open(path, 0)
        try:
            while seen < facts.st_size and (count := os.readv(file, [buffer])):
                sha.update(buffer[:count])
                seen += count
        finally:
            os.close(file)
    if seen != facts.st_size:
        raise OSError(f"{seen} bytes readable of {facts.st_size}")
    remembered[key] = sha.hexdigest()
    return remembered[key]


def save(entries, path):
    with open(path, "w") as f:
        for entry in entries:
            f.write(json.dumps(entry) + "\n")


def load(path):
    with open(path) as f:
        return [json.loads(line) for line in f]
