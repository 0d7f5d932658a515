"""Owns: what is in each source tree (the making of single objects: tree.py)."""

import os
import stat

from tree import BLOCKS, Maker, NAMES, settle, sizes

REMOVED = ["many", "links/b", "names/é", "sizes/1", "deep/d1/d2/d3"]    # by the second append


def rich(root, many=700, device=(259, 70000)):
    m = Maker(root, 1)
    for name in sorted(NAMES):
        m.file("names/" + name, 20)
    for name in sorted(NAMES)[::4]:
        m.folder("folders/" + name)
    for size in sizes():
        m.file(f"sizes/{size}", size)
    m.folder("empty")
    m.file("/".join(["deep"] + [f"d{n}" for n in range(1, 61)] + ["bottom"]).lstrip("/"), 100)
    mib = 1 << 20
    m.sparse("sparse/start", 3 * mib + 5, (2 * mib, mib + 5))
    m.sparse("sparse/middle", 3 * mib, (0, mib), (2 * mib, mib))
    m.sparse("sparse/end", 3 * mib + 1, (0, mib))
    m.sparse("sparse/all", 16 * mib)
    m.sparse("sparse/islands", 8 * mib + 77, *((n * 65536 + 8192, 4096) for n in range(0, 128, 3)))
    m.file("links/a", 5000)
    m.link("links/a", "links/b")
    m.link("links/a", "links/elsewhere/c")
    m.file("links/small", 10)
    m.link("links/small", "links/small too")
    for name, target in {"relative": "links/a", "absolute": "/usr/bin/env", "up": "../..", "root": "/", "dot": ".", "dangling": "no/such/thing",
                         "dots": "./../x/./y", "unicode": "中/é/😀", "long": "/".join(["component"] * 20), "one": "x" * 200}.items():
        m.symlink("symlinks/" + name, target)
    m.link("symlinks/relative", "symlinks/second name")
    m.node("special/fifo", stat.S_IFIFO | 0o622)
    m.socket("special/socket")
    if os.geteuid() == 0:
        m.node("special/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        m.node("special/disk", stat.S_IFBLK | 0o660, os.makedev(*device))
        m.owners()
    for mode in (0o000, 0o400, 0o111, 0o4755, 0o2755, 0o1644, 0o7777, 0o246):
        m.file(f"modes/{mode:04o}", 7, mode)
    m.folder("modes/sticky", 0o1777)
    m.folder("modes/setgid", 0o2770)
    # last, so that the contents of all the others do not depend on how many
    for n in range(many):
        m.file(f"many/file number {n:05}.data", n % 2)
    m.folder("", 0o750)
    settle(root)


def crowded(root):
    """The kernel looks each name up from the first on: what takes it a moment natively takes a guest seconds."""
    rich(root, many=3000)


def plain(root):
    """Files and directories only, and every name one that any reader can hand back."""
    m = Maker(root, 2)
    for name in ("plain", "With Space", ".hidden", "é", "中文名字", "mixé中", "a" * 254):
        m.file("names/" + name, 40)
    for size in sorted({0, 1, 100, 300_001, 5 << 20} | {b * n + d for b in BLOCKS for n in (1, 3) for d in (-1, 0, 1)}):
        m.file(f"sizes/{size}", size)
    for n in range(400):
        m.file(f"many/entry {n:04}", n % 3)
    m.folder("empty")
    m.file("a/b/c/d/e/f/g/h/bottom", 2000)
    settle(root)


def additions(root):
    m = Maker(root, 3)
    m.file("new/file", 12345)
    m.file("new/中", 100)
    m.file("new/deep/er/still", 3000)
    m.symlink("new/link", "../names/plain")
    m.file("sizes/300001", 250_000)                # another content and size
    m.file("links/a", 6000)                        # one of three hard links: the two others stay
    m.file("sizes/extra", 77)
    m.file("added at the root", 1)
    settle(root)


def replacements(root):
    m = Maker(root, 4)
    m.file("sizes/1048576", 1 << 20)               # same size, another content
    m.file("new/file", 0)
    m.file("names/plain", 70_000)
    m.file("third/file", 4096)
    settle(root)


def changed(root, many=700):
    """What `rich` became: things gone, moved, altered, new.  Unaltered objects keep their modification time."""
    rich(root, many)
    m = Maker(root, 5)
    for gone in ("sparse/all", "names/UPPER.TXT", "sizes/5242880", "special/fifo"):
        os.unlink(m.at(gone))
    os.rename(m.at("sparse/middle"), m.at("moved"))
    os.rename(m.at("folders"), m.at("empty/folders"))
    fresh = {"sizes/2048": 2048, "brand/new": 10_000, "names/Ж": 21}
    for path, size in fresh.items():
        m.file(path, size)
    os.chmod(m.at("sizes/4096"), 0o600)
    os.unlink(m.at("symlinks/dangling"))
    m.symlink("symlinks/dangling", "elsewhere")
    m.link("brand/new", "brand/new again")


def plain_additions(root):
    m = Maker(root, 6)
    m.file("names/plain", 3000)
    m.file("sizes/added", 100_000)
    m.file("a/b/new", 5)
    m.file("fresh/f", 2049)
    settle(root)
