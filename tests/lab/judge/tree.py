"""Owns: the source trees.  All are deterministic apart from what only the host decides (inode numbers, change times).

`rich` has everything POSIX can put into UDF; `plain` only files and directories, for readers that know no more;
`additions` and `replacements` are what later sessions bring; `changed` is `rich` some days later."""

import os
import random
import socket

MICRO = 1_000
TIMES = [0, 1, -1, 315532799_999999, 315532800_000001, -86400_000001, 2147483647_999999, 2147483648_000001,
         4102444800_123456, 7258118399_999999, 1000000000_000000, 1234567890_654321, -1234567890_000001]
BLOCKS = (512, 1024, 2048, 4096)
LONG = {"a" * 254, "é" * 127, "中" * 84, "😀" * 63}
NAMES = {"plain", "With Space", "UPPER.TXT", "upper.txt", "a:b*c?d\"e<f>g|h\\i", ".hidden", "trailing.", "trailing ", "~", "-dash",
         "é", "ÿ¡¿", "e\u0301", "中文名字", "かな", "한글", "Ж", "mixé中", "😀", "a😀b", "\u0001\u007f", "\uffee", "CON", "aux.h"} | LONG


def sizes():
    """Sizes where something changes: what fits beside a file entry, whole blocks, whole extents' edges."""
    wanted = {0, 1, 2, 3, 5 << 20, 1 << 20, (1 << 20) - 1, (1 << 20) + 1, 300_001}
    for block in BLOCKS:
        for header in (176, 216, 176 + 60, 216 + 60, 176 + 132, 216 + 132):
            wanted.update(max(0, block - header + d) for d in (-1, 0, 1))
        wanted.update(max(0, block - room) for room in range(160, 330, 20))
        wanted.update(block * n + d for n in (1, 2, 3, 17) for d in (-1, 0, 1))
    return sorted(wanted)


class Maker:
    """Makes one tree; every method takes paths relative to its root."""

    def __init__(self, root, seed):
        self.root, self.random = os.fsencode(root), random.Random(seed)
        os.makedirs(root, exist_ok=True)

    def at(self, path):
        return os.path.join(self.root, os.fsencode(path)) if path else self.root

    def folder(self, path, mode=0o755):
        os.makedirs(self.at(path), exist_ok=True)
        os.chmod(self.at(path), mode)

    def file(self, path, size, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "wb") as f:
            f.write(self.random.randbytes(size))
        os.chmod(self.at(path), mode)

    def sparse(self, path, size, *data):
        """A file with holes everywhere but at the given (offset, length) pairs."""
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "wb") as f:
            for offset, length in data:
                f.seek(offset)
                f.write(self.random.randbytes(length))
            f.truncate(size)

    def symlink(self, path, target):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        os.symlink(os.fsencode(target), self.at(path))

    def link(self, old, new):
        os.makedirs(os.path.dirname(self.at(new)), exist_ok=True)
        os.link(self.at(old), self.at(new), follow_symlinks=False)

    def node(self, path, kind, rdev=0):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        os.mknod(self.at(path), kind, rdev)

    def socket(self, path):
        """Bound through a short name: a socket's address has little room."""
        here = os.getcwd()
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        os.chdir(os.path.dirname(self.at(path)))
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(os.path.basename(path))
        finally:
            os.chdir(here)

    def owners(self):
        """Odd owners in a tenth of the tree.  Before the modes: chown clears set-uid."""
        for n, path in enumerate(every(self.root)):
            if n % 10 == 3:
                os.chown(path, (1000, 65534, 65536, 4294967294)[n % 4], (0, 100, 70000, 2147483648)[n // 10 % 4],
                         follow_symlinks=False)


def every(root):
    found = [root]
    for folder, folders, files in os.walk(root):
        found += (os.path.join(folder, name) for name in sorted(folders + files))
    return sorted(found)


def settle(root):
    """Gives every object its fixed access and modification time (again): reading a tree changes its access times."""
    for n, path in enumerate(reversed(every(os.fsencode(root)))):
        modified = TIMES[n % len(TIMES)] if n % 3 else 1_500_000_000_000000 + n * 1_000_003
        accessed = TIMES[(n + 5) % len(TIMES)] if n % 4 == 1 else 1_600_000_000_000000 + n * 1_000_033
        os.utime(path, ns=(accessed * MICRO, modified * MICRO), follow_symlinks=False)
