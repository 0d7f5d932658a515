"""Owns: reading what dm-log-writes has logged of a block device, and the states that a loss of power can leave of it."""

import random
import struct
from collections import namedtuple

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
Entry = namedtuple("Entry", "offset flags data")


def entries(path):
    """What was written, and what is a barrier, in the order in which the device did it (linux/drivers/md/dm-log-writes.c)."""
    found = []
    with open(path, "rb") as log:
        magic, version, count, sector = struct.unpack("<QQQI", log.read(28))
        if magic != MAGIC or version != 1:
            raise ValueError(f"{path} is no log of writes")
        log.seek(sector)
        for _ in range(count):
            head = log.read(sector)
            first, sectors, flags = struct.unpack("<QQQ", head[:24])
            data = b"" if flags & (DISCARD | MARK) else log.read(sectors * sector)
            found.append(Entry(first * sector, flags, data))
    return found


def states(base, log, seed, subsets):
    """(name, bytes) of every state that a loss of power can leave: each prefix of the log, and of what no barrier follows yet, parts."""
    dice, image, pending = random.Random(seed), bytearray(base), []

    def put(over, one):
        over[one.offset:one.offset + len(one.data)] = one.data
    for number, entry in enumerate(log):
        if entry.flags & FLUSH:
            for which in range(subsets if len(pending) > 1 else 0):
                some = [one for one in pending if dice.random() < 0.5]
                dice.shuffle(some)
                torn = bytearray(image)
                for one in some:
                    put(torn, one)
                yield f"before {number}, part {which}", torn
            for one in pending:
                put(image, one)
            pending = []
        if entry.data:
            pending.append(entry)
            whole = bytearray(image)
            for one in pending:
                put(whole, one)
            yield f"after {number}", whole
