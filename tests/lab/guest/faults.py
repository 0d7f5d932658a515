"""faults.py MKUDF-MS KIND WORK FIRST COUNT, in a guest with a burner at /dev/sr0 whose disc is WORK/disc.  Owns: a disc with an old state
to which a new one is appended while the drive dies, loses what is in its cache, or meets sectors that it cannot write or read; after each
it holds the old one or the new one, whole, and the next append works.  A line a point: "ok NAME" or "FAIL NAME: why"."""

import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import files  # noqa: E402

DRIVE, CONTROL = "/dev/sr0", "/run/ctl0"
RANDOM = ("dvd+rw", "dvd-ram", "bd-re")
PATIENCE = 60
# of so many points, the last ones: the burner never forgets which sectors are bad
BAD = 3


class Point(Exception):
    """What is wrong at a point."""


class Disc:
    def __init__(self, tool, kind, work):
        self.tool, self.kind, self.work = tool, kind, work
        self.room = f"/dev/shm/faults.{os.getpid()}"
        self.states = {name: content for name, content in states()}
        for name, content in self.states.items():
            for path, body in content.items():
                files.put(f"{self.room}/{name}", path, body)

    def run(self, *words, status=0):
        done = subprocess.run([self.tool, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
        if b"panicked" in done.stderr or (status is not None and done.returncode != status):
            raise Point(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
        return done

    def tell(self, text):
        with open(CONTROL, "w", encoding="ascii") as control:
            control.write(text + "\n")
        time.sleep(0.1)

    def prepare(self):
        """The old state; and on discs with sessions once more, with its session closed."""
        if self.kind in ("dvd+rw", "bd-re"):
            self.run("format", "--yes", DRIVE)
        self.run("create", "-q", "-o", DRIVE, f"{self.room}/old")
        self.keep("base0")
        if self.kind not in RANDOM:
            self.run("close", DRIVE)
        self.keep("base1")

    def keep(self, name):
        for suffix in ("", ".json"):
            subprocess.run(["cp", "--sparse=always", f"{self.work}/disc{suffix}", f"{self.work}/{name}{suffix}"], check=True)

    def insert(self, name):
        """Another copy of the same disc."""
        for suffix in ("", ".json"):
            subprocess.run(["cp", "--sparse=always", f"{self.work}/{name}{suffix}", f"{self.work}/next{suffix}"], check=True)
            os.replace(f"{self.work}/next{suffix}", f"{self.work}/turn{suffix}")
        self.tell(f"insert {self.work}/turn")

    def writes(self):
        """First and last sector of each write so far."""
        found = []
        with open(f"{self.work}/drive0.log", encoding="utf-8", errors="replace") as log:
            for line in log:
                words = line.split()
                if words and words[0] == "2a":
                    block = bytes.fromhex("".join(words[:10]))
                    first = int.from_bytes(block[2:6], "big")
                    found.append((first, first + int.from_bytes(block[7:9], "big") - 1))
        return found

    def rehearse(self, base):
        """What is written when nothing goes wrong."""
        self.insert(base)
        before = len(self.writes())
        self.run("append", "-q", "--mirror", DRIVE, f"{self.room}/new")
        if self.shown() != "new":
            raise Point("nothing went wrong, and it is not new")
        return self.writes()[before:]

    def shown(self, holes=False):
        """Which state is there, to the last byte; or with some that cannot be read."""
        out = f"{self.room}/out"
        shutil.rmtree(out, ignore_errors=True)
        told = self.run("extract", "-q", "-C", out, DRIVE, status=None if holes else 0).stderr.decode(errors="replace")
        # without those of which the reader was told that they are not whole
        found = {path: body for path, body in files.below(out).items() if f"/{path}" not in told}
        for name, content in self.states.items():
            if found == content or holes and all(content.get(path) == body for path, body in found.items()):
                return name
        return f"neither old nor new: {sorted(found)}"

    def point(self, seed, base, written):
        dice = random.Random(seed)
        self.insert(base)
        dies = dice.randrange(len(written) + 1)
        has_cache = dice.random() < 0.5
        if has_cache:
            self.tell("wcache 1")
        self.tell(f"die-after {dies}")
        done = self.run("append", "-q", "--mirror", DRIVE, f"{self.room}/new", status=None)
        self.tell("power-cut" if has_cache else "revive")
        if has_cache:
            self.tell("wcache 0")
        what = f"{'power cut' if has_cache else 'dead'} after {dies} writes of {len(written)}"
        self.judge(done.returncode, what)

    def judge(self, status, what):
        shown = self.shown()
        if shown not in self.states or (shown == "old" and status == 0):
            raise Point(f"{what}, exit {status}: {shown}")
        self.run("append", "-q", "--mirror", DRIVE, f"{self.room}/later")
        if (found := self.shown()) != "later":
            raise Point(f"{what}, and then: {found}")

    def bad_write(self, seed, base, written):
        dice = random.Random(seed)
        self.insert(base)
        first, last = dice.choice(written)
        bad = dice.randint(first, last)
        self.tell(f"bad-write {bad} {bad}")
        done = self.run("append", "-q", "--mirror", DRIVE, f"{self.room}/new", status=None)
        what = f"sector {bad} cannot be written"
        if done.returncode == 0:
            raise Point(f"{what}, and nobody says so")
        # this burner records nothing of such a write and stays where it was, so the next one would meet the same sector
        if (shown := self.shown()) not in self.states:
            raise Point(f"{what}: {shown}")

    def bad_read(self, seed, base, written):
        dice = random.Random(seed)
        self.insert(base)
        bad = dice.randrange(256, 900)
        self.tell(f"bad-read {bad} {bad + 2}")
        done = self.run("append", "-q", "--mirror", DRIVE, f"{self.room}/new", status=None)
        what = f"sectors from {bad} on cannot be read"
        shown = self.shown(holes=True)
        if shown not in self.states or (shown == "old" and done.returncode == 0):
            raise Point(f"{what}, exit {done.returncode}: {shown}")


def states():
    content = lambda name, size: (name.encode() * (size // len(name) + 1))[:size]
    old = {"a/same": content("same ", 50_000), "changed": content("old ", 200_000), "gone": b"gone"}
    new = {"a/same": old["a/same"], "changed": content("new ", 250_000), "b/added": content("added ", 400_000)}
    yield "old", old
    yield "new", new
    yield "later", {**new, "c/later": content("later ", 30_000)}


def main():
    tool, kind, work = sys.argv[1:4]
    first, count = int(sys.argv[4]), int(sys.argv[5])
    disc = Disc(tool, kind, work)
    try:
        disc.prepare()
        bases = {base: disc.rehearse(base) for base in (("base0",) if kind in RANDOM else ("base0", "base1"))}
    except (Point, subprocess.SubprocessError, OSError) as error:
        print(f"FAIL prepared: {' '.join(str(error).split())}", flush=True)
        return
    for number in range(count):
        base = f"base{number % len(bases)}"
        left = count - number
        meet = disc.bad_read if left == 1 else disc.bad_write if left < BAD else disc.point
        try:
            meet(first + number, base, bases[base])
            print(f"ok {first + number}", flush=True)
        except (Point, subprocess.SubprocessError, OSError) as error:
            print(f"FAIL {first + number}: {base}: {' '.join(str(error).split())}", flush=True)
            disc.tell("power-cut")
            disc.tell("wcache 0")


main()
