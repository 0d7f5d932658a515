"""Owns: the judge of power cuts.  The crash tests try states of every layout and operation, many times as many as they do by themselves,
and leave some; the kernel mounts a seeded handful of those, and what it shows is what we found in them, the old tree or the new one."""

import os
import random
import re

import models

SEED = 6
TIMES, QUICK_TIMES = 10, 1      # as many states as the tests try by themselves
LEAST = 100_000                 # of states, unless quick
EACH, QUICK = 3, 1              # states of each kind that are mounted
# What the kernel says before it reads the reserve sequence, where a cut takes the whole unit that the main one lies in.
UNITS, LOST_SEQUENCE = re.compile("--unit-(16|32)--"), "udf_process_sequence: Primary Volume Descriptor not found!"
TESTS = ("all_or_nothing", "survive_cuts", "survives_cuts", "repair::cuts")


def judge(context):
    report, folder = context.report, f"{context.work}/crashes"
    times = QUICK_TIMES if report.quick else TIMES
    printed = models.tested(context, "crashes", {"CRASH_IMAGES": folder, "CRASH_STATES": str(times)}, *TESTS)
    if printed is None:
        return
    states = sum(int(count) for count in re.findall(r"^crash states: (\d+)", printed, re.MULTILINE))
    print(f"crashes: {states} states")
    report.verdict("crashes/states", [] if report.quick or states >= LEAST else [f"only {states} states"])
    models.mounted(context, "crashes", sample(folder, QUICK if report.quick else EACH))


def sample(folder, count):
    """Of the states of each volume a few, by seed."""
    kinds = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".img"):
            kinds.setdefault(file.split("--seed-")[0], []).append(file[:-4])
    dice = random.Random(SEED)
    chosen = [name for states in kinds.values() for name in dice.sample(states, min(count, len(states)))]
    return [{**models.mounting(folder, name), **({"told": LOST_SEQUENCE} if UNITS.search(name) else {})} for name in chosen]
