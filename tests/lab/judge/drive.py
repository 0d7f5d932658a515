"""Owns: the judge of drives: an emulated burner, somebody else's, to which we write through SG_IO and the kernel (guest/drive.sh); and
what its log of commands may hold."""

import os
import re
import shutil
import subprocess

import place
from context import halves

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BURNER = os.path.realpath(f"{HERE}/../../../shared/lab/bin/drive-run")
KINDS = {"cd-r": 1, "cd-rw": 1, "dvd-r": 16, "dvd-rw": 16, "dvd+r": 16, "bd-r": 32, "dvd+rw": 16, "dvd-ram": 16, "bd-re": 32}
QUICK = ("cd-r", "dvd+r", "bd-re")
SEQUENTIAL = ("cd-r", "cd-rw", "dvd-r", "dvd-rw", "dvd+r", "bd-r")
OVERWRITTEN = "drive/bd-r-pow"
BLOCKS = "120000"
WRITE, FLUSH, CLOSE = 0x2A, 0x35, 0x5B
SPEED = (0xB6, 0xBB)                            # SET STREAMING; SET CD SPEED
MUST_WORK = {0x2A: "WRITE", 0x35: "SYNCHRONIZE CACHE", 0x5B: "CLOSE", 0x55: "MODE SELECT", 0x04: "FORMAT UNIT"}
# which discs a command is for (the clause of each in MMC-6); BLANK is refused by the drive where it is tried on purpose
ONLY = {0x04: ("FORMAT UNIT", ("dvd-rw", "dvd+rw", "dvd-ram", "bd-re")),
        0x55: ("MODE SELECT", ("cd-r", "cd-rw", "dvd-r", "dvd-rw")), 0x54: ("SEND OPC INFORMATION", ("cd-r", "cd-rw", "dvd-r", "dvd-rw")),
        # the kernel ends what it wrote to a DVD+RW with it (drivers/cdrom: "dirty DVD+RW media, finalizing"), as MMC-6 allows
        0x5B: ("CLOSE TRACK SESSION", (*SEQUENTIAL, "dvd+rw")), 0xBB: ("SET CD SPEED", ("cd-r", "cd-rw")),
        0xB6: ("SET STREAMING", ("dvd-r", "dvd-rw", "dvd+r", "dvd+rw", "dvd-ram", "bd-r", "bd-re")), 0x53: ("RESERVE TRACK", ())}
LINE = re.compile(r"^((?:[0-9a-f]{2} ?)+) out=(\d+) alloc=\d+ -> (.*)$")


def stages(folder):
    """Four states of a tree, each with something new, something changed and something gone; and something that takes a while."""
    content = lambda name, size: (name.encode() * (size // len(name) + 1))[:size]
    files = {f"a/file {n}": content(f"first {n} ", 7001 * n) for n in range(1, 6)} | {"large": content("large ", 3_000_001), "empty": b""}
    for number in range(1, 5):
        if number > 1:
            files[f"new/{number}"] = content(f"new {number} ", 100_003 * number)
            files["a/file 1"] = content(f"changed {number} ", 9000 + number)
            files.pop(f"a/file {number + 1}", None)
        for name, body in files.items():
            path = f"{folder}/{number}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(body)
    os.makedirs(f"{folder}/large")
    with open(f"{folder}/large/file", "wb") as f:
        f.write(content("takes a while ", 120_000_000))


def commands(path):
    """Command blocks of a burner's log, how many bytes went with each, and what became of it."""
    with open(path, errors="replace") as log:
        found = (LINE.match(line.rstrip("\n")) for line in log)
        return [(bytes.fromhex(m[1]), int(m[2]), m[3]) for m in found if m]


def misdeeds(kind, log):
    """What the log of a disc's life must not hold."""
    lines, unit, dirty = [], KINDS[kind], False
    for block, sent, became in log:
        code = block[0]
        name, kinds = ONLY.get(code, ("", (kind,)))
        if kind not in kinds:
            lines.append(f"{name} is not for a {kind}: {block.hex()} {became}")
        if code in MUST_WORK and "SENSE 5/" in became:
            lines.append(f"{MUST_WORK[code]} was refused: {block.hex()} {became}")
        if code == WRITE:
            dirty = True
            sectors = int.from_bytes(block[7:9], "big")
            if kind in SEQUENTIAL and (sectors % unit or sent != sectors * 2048):
                lines.append(f"{sectors} sectors are no whole write units of {unit}")
        elif code == FLUSH:
            dirty = False
        elif code == CLOSE and dirty:
            lines.append("something was closed before the cache was on the disc")
    if dirty:
        lines.append("what was written last was not followed by SYNCHRONIZE CACHE")
    if not any(block[0] == WRITE for block, *_ in log):
        lines.append("nothing was written")
    if not any(block[0] in SPEED for block, *_ in log):
        lines.append("the drive was not told at which speed to write")
    return lines


def lacking(report, name, *programs):
    """Says so where there is no burner, or no such program."""
    if not os.access(BURNER, os.X_OK):
        report.skip(name, "there is no emulated burner beside the project (../shared/lab)")
        return True
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        report.lacking(name, f"not installed: {' '.join(missing)}")
    return bool(missing)


def guest(work, kind, blocks, seconds, words):
    """(status, output) of a command in a guest with a blank disc in the burner."""
    os.makedirs(work)
    words = [BURNER, "-k", kind, "-n", blocks, "-t", str(seconds), "-w", work, *words]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds + 50)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return 124, "the guest hangs"


def live(context, work, disc, script):
    """A disc's life in the burner, as a script of the guest has it."""
    report, (kind, name) = context.report, disc
    status, output = guest(work, kind, BLOCKS, 400, ["bash", f"{HERE}/guest/{script[0]}", *script[1:]])
    if not place.verdicts(report, name, output) or status:
        report.fail(name, f"status {status}: {output[-300:]}")


def life(context, work, kind):
    """One that is only ours, so that its log of commands can be held against us."""
    report, name, log = context.report, f"drive/{kind}", f"{work}/drive0.log"
    live(context, work, (kind, name), ["drive.sh", context.product.path, kind, f"{context.work}/drive/stages", log])
    ours = f"{work}/drive0.ours.log"
    report.verdict(f"{name}/commands", misdeeds(kind, commands(ours)) if os.path.exists(ours) else ["the burner left no log"])


def overwritten(context, work):
    """A disc in pseudo-overwrite, which the burner has to be taught (guest/overwriter.py)."""
    live(context, work, ("bd-r", OVERWRITTEN), ["overwritten.sh", context.product.path, f"{context.work}/drive/stages"])


def judge(context):
    report = context.report
    kinds = [kind for kind in (QUICK if report.quick else KINDS) if report.wanted(f"drive/{kind}")]
    if report.wanted(OVERWRITTEN):
        kinds.append(OVERWRITTEN)
    if not kinds:
        return
    if lacking(report, "drive", "xorriso", "dvd+rw-mediainfo", "udfclient", "7zz"):
        return
    stages(f"{context.work}/drive/stages")

    def one_after_the_other(work, some):
        for kind in some:
            if kind == OVERWRITTEN:
                overwritten(context, f"{work}/overwritten")
            else:
                life(context, f"{work}/{kind}", kind)
    halves(f"{context.work}/drive", kinds, one_after_the_other)
