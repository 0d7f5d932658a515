#!/usr/bin/python3
"""rewrite.py JOBS RESULTS PRODUCT, in the guest.  Owns: the command and the kernel taking turns at changing one volume in place.

A job: id, image, sector (of the loop device), seed, rounds, read_only (the kernel does not write).  Each turn adds, replaces,
renames and removes by chance; after it the kernel and the command must both show exactly what the model has, and `check` must find
nothing that it did not find before the first: no block may be lost.
Result RESULTS/ID.json: error (None is well), turns, free (blocks that the kernel counts at the end)."""

import json
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import driver  # noqa: E402
import files  # noqa: E402

POINT, SOURCE, OUT = "/run/m", "/run/source", "/run/out"
HIDDEN = "Non-Allocatable Space"     # of sparable volumes before 2.00 (UDF 1.50 2.3.13): no file of the story's
SIZES = (0, 1, 700, 2048, 5000, 40_000, 300_000)


class Wrong(Exception):
    pass


def run(*words, status=0):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode != status:
        raise Wrong(f"{' '.join(words[:2])}: exit {done.returncode}: {done.stdout.decode('utf-8', 'replace')[-400:]}")
    return done.stdout.decode("utf-8", "replace")


def of_story(root):
    """What there is below a folder, without what is no file of the story's."""
    return {path: body for path, body in files.below(root).items() if os.path.basename(path) != HIDDEN}


class Story:
    def __init__(self, job, product):
        self.image, self.block, self.product = job["image"], job["sector"], product
        self.dice, self.files, self.read_only = random.Random(job["seed"]), {}, job["read_only"]
        self.made_with = set()

    def some_path(self):
        depth = self.dice.choice((0, 0, 1, 1, 2))
        names = [f"d{self.dice.randrange(4)}" for _ in range(depth)] + [f"{self.dice.choice('fgé')}{self.dice.randrange(25)}"]
        return "/".join(names)

    def some_body(self):
        return self.dice.randbytes(self.dice.choice(SIZES))

    def stays_in_last_block(self, size, more):
        """Then Linux before 6.2 leaves the extent as it was, which is wrong (ECMA-167 4/12), and `check` says so."""
        block = self.block
        return size % block and (size - 1) // block == (size + more - 1) // block

    def mounted(self, act, writable=False):
        device = driver.attach(self.image, self.block, writable)
        try:
            driver.mount(device, POINT, writable=writable)
            try:
                return act()
            finally:
                driver.umount(POINT)
        finally:
            driver.detach(device)

    def ours(self):
        """The command's turn: one append, of new and changed files and removals."""
        shutil.rmtree(SOURCE, ignore_errors=True)
        os.makedirs(SOURCE)
        gone = self.dice.sample(sorted(self.files), min(len(self.files), self.dice.randrange(4)))
        new = {self.some_path(): self.some_body() for _ in range(self.dice.randrange(1, 6))}
        for path in gone:
            del self.files[path]
        for path, body in new.items():
            files.put(SOURCE, path, body)
        self.files.update(new)
        removals = [word for path in gone for word in ("--remove", "/" + path)]
        run(self.product, "append", self.image, "--in-place", *removals, SOURCE)

    def kernels(self):
        """The kernel's turn: some changes, one after the other."""
        def act():
            for _ in range(self.dice.randrange(1, 8)):
                path, deed = self.some_path(), self.dice.choice("wwwdra")
                if deed == "w" or not self.files:
                    self.files[path] = self.some_body()
                    files.put(POINT, path, self.files[path])
                    continue
                old = self.dice.choice(sorted(self.files))
                if deed == "d":
                    os.unlink(os.path.join(POINT, old))
                    del self.files[old]
                elif deed == "a":
                    more = self.some_body()
                    if self.stays_in_last_block(len(self.files[old]), len(more)):
                        continue
                    with open(os.path.join(POINT, old), "ab") as file:
                        file.write(more)
                    self.files[old] += more
                elif path != old:
                    os.makedirs(os.path.dirname(os.path.join(POINT, path)), exist_ok=True)
                    os.rename(os.path.join(POINT, old), os.path.join(POINT, path))
                    self.files[path] = self.files.pop(old)
            os.sync()
        self.mounted(act, writable=True)

    def agree(self):
        shown = self.mounted(lambda: of_story(POINT))
        self.same("the kernel", shown)
        shutil.rmtree(OUT, ignore_errors=True)
        run(self.product, "extract", "-C", OUT, self.image)
        self.same("the command", of_story(OUT))
        self.unless_faulty()

    def faults(self):
        """What is wrong, but that Linux leaves the end of a longer name where it puts a shorter one."""
        done = subprocess.run([self.product, "check", "--json", self.image], capture_output=True, text=True, timeout=300)
        if done.returncode not in (0, 4):
            raise Wrong(f"check: exit {done.returncode}: {done.stderr[-300:]}")
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        return {one["message"] for one in findings if one.get("severity") in ("warning", "error", "fatal")
                and "its padding is not 0" not in one["message"]}

    def unless_faulty(self):
        """Nothing may be wrong that its maker did not do wrong."""
        if new := self.faults() - self.made_with:
            raise Wrong(f"check: {sorted(new)[:2]}")

    def same(self, who, shown):
        for path in sorted(set(shown) | set(self.files)):
            if shown.get(path) != self.files.get(path):
                have = {True: "nothing"}.get(path not in shown, f"{len(shown.get(path, b''))} bytes")
                raise Wrong(f"{who} has {have} at {path}, not {len(self.files.get(path, b''))} bytes as the model")

    def tell(self, rounds):
        self.made_with = self.faults()
        for turn in range(rounds):
            step = self.ours if turn % 2 == 0 or self.read_only else self.kernels
            try:
                step()
                self.agree()
            except (Wrong, OSError) as error:
                raise Wrong(f"turn {turn} ({step.__name__}): {error}") from error
        return self.mounted(lambda: os.statvfs(POINT).f_bfree)


def main():
    jobs, results, product = sys.argv[1:]
    for module in ("loop", "udf", "nls_utf8"):
        subprocess.run(["modprobe", module])
    os.makedirs(POINT, exist_ok=True)
    for job in json.load(open(jobs)):
        result = {"error": None}
        try:
            result["free"] = Story(job, product).tell(job["rounds"])
        except (Wrong, subprocess.TimeoutExpired) as error:
            result["error"] = str(error)
        with open(f"{results}/{job['id']}.json", "w") as file:
            json.dump(result, file)


main()
