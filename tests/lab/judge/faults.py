"""Owns: the judge of faults at the drive: the emulated burner dies, loses its cache or meets bad sectors while we append, at seeded points of
each kind of disc (guest/faults.py).  A few points each; with --full, or by name, 200."""

import os
import subprocess

import drive
import place
from context import halves

POINTS, FULL, QUICK = 6, 200, 4
# the burner never forgets which sectors are bad, so after so many points comes another
EACH = 50
BLOCKS = "40000"


def judge(context):
    report = context.report
    kinds = [kind for kind in (drive.QUICK if report.quick else drive.KINDS) if report.wanted(f"faults/{kind}")]
    if not kinds:
        return
    if not os.access(drive.BURNER, os.X_OK):
        return report.skip("faults", "there is no emulated burner beside the project (../shared/lab)")
    points = QUICK if report.quick else FULL if report.full else POINTS
    guests = [(kind, first, min(EACH, points - first)) for kind in kinds for first in range(0, points, EACH)]

    def one_after_the_other(work, some):
        for kind, first, count in some:
            guest(context, f"{work}/{kind}-{first}", kind, first, count)
    halves(f"{context.work}/faults", guests, one_after_the_other)


def guest(context, work, kind, first, count):
    report, name = context.report, f"faults/{kind}"
    os.makedirs(work)
    script = f"{drive.HERE}/guest/faults.py"
    words = [drive.BURNER, "-k", kind, "-n", BLOCKS, "-t", "1200", "-w", work, "/usr/bin/python3", script, context.product.path, kind, work,
             str(first), str(count)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=1260)
        status, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        status, output = 124, "the guest hangs"
    found = place.verdicts(report, name, output)
    if found != count or status:
        report.fail(name, f"status {status}, {found} of {count} points: {output[-300:]}")
