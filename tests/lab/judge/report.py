"""Owns: what is printed: one line a check, and the sums; which checks the user asked for."""

import fnmatch
import os
import threading
import time


class Report:
    def __init__(self, patterns=(), quick=False, full=False, keep=None):
        self.patterns, self.quick, self.keep = list(patterns), quick, keep
        self.full = full or bool(patterns)
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}
        self.lock = threading.Lock()
        self.ci = os.environ.get("CI") == "true"
        self.began = time.monotonic()

    def wanted(self, name):
        """Is a check of this name asked for?  A pattern is a name, the start of one up to a "/", or has wildcards."""
        return not self.patterns or any(
            fnmatch.fnmatch(name, p) or name.startswith(p.rstrip("/") + "/") or p.startswith(name + "/")
            for p in self.patterns)

    def chosen(self, number, of):
        """Is this one of a matrix's combinations that are always looked at?  Every one of so many, where the numbers are sums of the
        places of its values in their rows, so that each value comes up."""
        return self.full or number % of == 0

    def _line(self, verdict, name, why=""):
        with self.lock:
            self.counts[verdict] += 1
            text = f"{verdict} {name}" + (f": {why}" if why else "")
            print(" ".join(text.split()), flush=True)

    def ok(self, name):
        self._line("ok", name)

    def fail(self, name, why):
        self._line("FAIL", name, why or "no reason given")

    def skip(self, name, why):
        self._line("skip", name, why)

    def lacking(self, name, why):
        """A judge is not there: on a developer's machine that is a pity, on the build server a mistake."""
        (self.fail if self.ci else self.skip)(name, why)

    def verdict(self, name, lines, limit=4):
        """ok without differences, else FAIL with the first ones (all of them in the kept folder)."""
        from compare import brief
        if lines and self.keep:
            with open(os.path.join(self.keep, "differences"), "a", errors="surrogateescape") as f:
                f.writelines(f"{name}: {line}\n" for line in lines)
        self.fail(name, brief(lines, limit)) if lines else self.ok(name)
        return not lines

    def close(self):
        print(f"{self.counts['ok']} passed, {self.counts['FAIL']} failed, {self.counts['skip']} skipped", flush=True)
        return 1 if self.counts["FAIL"] else 0
