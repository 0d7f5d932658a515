"""Owns: the judge of faults at the drive: the emulated burner dies, loses its cache or meets bad sectors while we append, at seeded points of
each kind of disc (guest/faults.py).  A few points each; with --full, or by name, 200."""

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
    if drive.lacking(report, "faults"):
        return
    points = QUICK if report.quick else FULL if report.full else POINTS
    guests = [(kind, first, min(EACH, points - first)) for kind in kinds for first in range(0, points, EACH)]

    def one_after_the_other(work, some):
        for kind, first, count in some:
            meet(context, f"{work}/{kind}-{first}", kind, first, count)
    halves(f"{context.work}/faults", guests, one_after_the_other)


def meet(context, work, kind, first, count):
    report, name = context.report, f"faults/{kind}"
    words = ["/usr/bin/python3", f"{drive.HERE}/guest/faults.py", context.product.path, kind, work, str(first), str(count)]
    status, output = drive.guest(work, kind, BLOCKS, 1200, words)
    found = place.verdicts(report, name, output)
    if found != count or status:
        report.fail(name, f"status {status}, {found} of {count} points: {output[-300:]}")
