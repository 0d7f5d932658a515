"""Owns: every volume that mkudffs can make, by medium, revision, block size, strategy, kind of space set and of entry: opened,
listed and checked as it is made, and again when the kernel has filled it, against what the kernel then shows."""

import os
import shutil

import compare
import foreign
import listing
import trees
import uml
from context import halves
from kernel import sector
from product import Refused

REVISIONS = {"hd": "1.02 1.50 2.00 2.01", "dvd": "1.02 1.50 2.00 2.01", "dvdram": "1.02 1.50 2.00 2.01", "worm": "1.02 1.50 2.00 2.01",
             "mo": "1.02 1.50 2.00 2.01", "cd": "1.02 1.50 2.00 2.01", "dvdrw": "1.50 2.00 2.01", "cdrw": "1.50 2.00 2.01",
             "dvdr": "1.50 2.00 2.01 2.50 2.60", "cdr": "1.50 2.00 2.01 2.50 2.60", "bdr": "2.50 2.60"}
BLOCKS = (512, 1024, 2048, 4096, 8192, 16384, 32768)
VARIANTS = {"strategy-4096": ["--strategy=4096"], "freedbitmap": ["--space=freedbitmap"], "freedtable": ["--space=freedtable"],
            "unalloctable": ["--space=unalloctable"], "noefe": ["--noefe"], "short": ["--ad=short"], "long": ["--ad=long"]}
VIRTUAL = ("cdr", "dvdr", "bdr")            # no choice of strategy, space or entries, and nothing that the kernel can fill
READ_ONLY = VIRTUAL + ("dvd", "cd", "worm")
FREED = ("freedbitmap", "freedtable")       # sets of freed space, which the kernel reads and does not take from
SMALL = ("mo", "worm")                      # of which mkudffs makes no larger ones
NOT_MOUNTED = ("dvdrw-2.01-512",)            # a sparing table of two blocks, of which the kernel reads one
NOT_FILLED = tuple(f"dvdrw-{revision}-unalloctable" for revision in REVISIONS["dvdrw"].split())   # EIO from the kernel when it takes blocks there
LARGEST_MOUNTED = 4096                      # a page: the kernel has no larger blocks
QUICK = "2.01"

# The errors that `check` rightly finds in mkudffs's volumes: tests/it/check/foreign.rs argues them.
FOUND = {"R029", "R052", "R055", "R064", "R069", "R077", "R081", "R091", "R095", "R128"}
FILLED = FOUND | {"R021"}                   # the tree has times to come


def combinations():
    """(name, medium, revision, block, options)"""
    for medium, revisions in REVISIONS.items():
        for revision in revisions.split():
            for block in BLOCKS:
                yield f"{medium}-{revision}-{block}", medium, revision, block, []
            for variant, options in ([] if medium in VIRTUAL else VARIANTS.items()):
                yield f"{medium}-{revision}-{variant}", medium, revision, 2048, options


def judge(context):
    report, work = context.report, f"{context.work}/sweep"
    groups = {}
    for number, one in enumerate(combinations()):
        # a row has fourteen, so that the next one is taken from its second on
        if not report.chosen(number + number // 14, 4):
            continue
        group = f"sweep/{one[1]}-{one[2]}"
        if report.wanted(group) and (not report.quick or one[2] == QUICK):
            groups.setdefault(group, []).append(one)
    if not groups:
        return
    if reason := uml.missing() or (not shutil.which("mkudffs") and "mkudffs is not installed"):
        return report.lacking("sweep", reason)
    os.makedirs(work)
    trees.plain(f"{work}/source")
    listing.save(listing.walk(f"{work}/source"), f"{work}/source.jsonl")
    halves(work, sorted(groups.items()), lambda folder, half: judge_half(context, folder, half))


def judge_half(context, work, groups):
    for number, (group, members) in enumerate(groups):
        folder = f"{work}/{number}"
        os.makedirs(folder)
        try:
            lines, mounted, problems = judged(context, folder, members)
        except RuntimeError as error:
            context.report.lacking(group, str(error))
        else:
            if problems:                    # the judge's own work, so nothing is said about ours
                context.report.lacking(group, "; ".join(problems))
            context.report.verdict(f"{group} ({len(members)} volumes, {mounted} mounted)", lines)
        shutil.rmtree(folder)


def judged(context, folder, members):
    """Differences, how many volumes the kernel was given, and what it would not do."""
    lines, jobs, problems = [], [], []
    source = os.path.dirname(os.path.dirname(folder)) + "/source"
    fill = ["/usr/bin/python3", f"{uml.LAB}/guest/fill.py", source, source + ".jsonl"]
    for name, medium, revision, block, options in members:
        blocks = 1000 if medium in SMALL else (24 << 20) // block if block <= 2048 else (64 << 20) // block
        place = f"{folder}/{name}"
        os.makedirs(place)
        image, _ = foreign.mkudffs(place, medium, revision, block, blocks, options)
        lines += opened(context.product, name, image)
        if block <= LARGEST_MOUNTED and name not in NOT_MOUNTED and not (medium in VIRTUAL and revision == "1.50"):
            writes = {} if medium in READ_ONLY + SMALL or name.endswith(FREED) or name in NOT_FILLED else {"write": fill}
            jobs.append({"id": name, "image": image, "sector": sector(block), "options": "unhide"} | writes)
    results = uml.mount_all(jobs, f"{folder}/guest", per_job=60) if jobs else {}
    for job in jobs:
        name = job["id"]
        if error := results[name]["error"]:
            problems.append(f"the kernel: {name}: {error}")
            continue
        truth = listing.load(f"{folder}/guest/results/{name}.jsonl")
        if job.get("write") and (lost := foreign.written_otherwise(source + ".jsonl", truth)):
            problems.append(f"the kernel wrote another tree: {name}: {compare.brief(lost)}")
            continue
        readings = foreign.readings(context.product, job["image"], truth, f"{folder}/extracted")
        lines += [f"{name}: {command}: {line}" for command, found in readings for line in found]
        lines += [f"{name}: filled: {line}" for line in checked(context.product, job["image"], FILLED)]
    return lines, len(jobs), problems


def opened(product, name, image):
    lines = []
    for command in ("info", "ls"):
        try:
            product.run(command, image)
        except Refused as error:
            lines.append(f"{name}: {error}")
    return lines + [f"{name}: {line}" for line in checked(product, image, FOUND)]


def checked(product, image, right):
    """What `check` says beyond what it says rightly."""
    try:
        return [f"check: {rule}: {message}" for rule, message in product.errors(image) if rule not in right]
    except Refused as error:
        return [str(error)]
