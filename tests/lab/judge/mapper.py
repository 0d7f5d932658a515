"""Owns: the judge of block devices that fail: in a guest the device mapper and scsi_debug log, refuse and drop writes, and lose sectors
(guest/mapper.py); then every state that the logged writes could have left behind is opened here."""

import os
import shutil
import subprocess

import listing
import place
import uml
import writes
from context import halves

KINDS = ("session", "rewritable", "metadata", "sparable")
QUICK = ("rewritable",)
SUBSETS, FEW_SUBSETS = 12, 3


def judge(context):
    report, work = context.report, f"{context.work}/mapper"
    kinds = [kind for kind in (QUICK if report.quick else KINDS) if report.wanted(f"mapper/{kind}")]
    if not kinds:
        return
    if reason := uml.missing():
        return report.lacking("mapper", reason)
    if not shutil.which("dmsetup", path="/sbin:/usr/sbin:/bin:/usr/bin"):
        return report.lacking("mapper", "dmsetup is not installed")
    halves(work, kinds, lambda half, some: [one(context, f"{half}/{kind}", kind) for kind in some])
    if not report.keep:
        shutil.rmtree(work, ignore_errors=True)


def one(context, work, kind):
    report, name = context.report, f"mapper/{kind}"
    os.makedirs(work)
    words = ["/usr/bin/python3", f"{uml.LAB}/guest/mapper.py", work, context.product.path, kind]
    status, output = uml.run(words, work, timeout=600, memory="768M")
    if not place.verdicts(report, name, output) or status:
        return report.fail(name, f"status {status}: {output[-300:]}")
    if not os.path.exists(f"{work}/{kind}.log"):
        return None
    with open(f"{work}/{kind}.base", "rb") as file:
        base = file.read()
    log, image = writes.entries(f"{work}/{kind}.log"), f"{work}/state.udf"
    seen, wrong = [], []
    for label, state in writes.states(base, log, 1, FEW_SUBSETS if report.quick else SUBSETS):
        with open(image, "wb") as file:
            file.write(state)
        seen.append(shown(context.product.path, image, f"{work}/out"))
        if isinstance(seen[-1], str):
            wrong.append(f"{label}: {seen[-1]}")
    trees = len({str(one) for one in seen})
    if trees != 2 or seen[0] == seen[-1]:
        wrong.append(f"{trees} trees are seen in {len(seen)} states, not the old one and the new one")
    report.verdict(f"{name}/replayed", wrong)
    return None


def shown(tool, image, out):
    """Paths and digests of what an image shows, or why it shows nothing."""
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([tool, "extract", "-q", "-C", out, image], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr[-200:]}"
    return sorted((entry["path"], entry["sha256"]) for entry in listing.walk(out) if entry["type"] == "file")
