"""Owns: the judge of power cuts.  The crash tests try states of every layout and operation, many times as many as they do by themselves,
and leave some; the kernel mounts a seeded handful of those, and what it shows is what we found in them, the old tree or the new one."""

import os
import random
import re
import shutil
import subprocess

import models
import uml

SEED = 6
TIMES, QUICK_TIMES = 10, 1      # as many states as the tests try by themselves
LEAST = 100_000                 # of states, unless quick
EACH, QUICK = 3, 1              # states of each kind that are mounted
SECONDS = 1800                  # for the tests themselves, a build included
TESTS = ("all_or_nothing", "survive_cuts", "survives_cuts", "repair::cuts")


def judge(context):
    report, folder = context.report, f"{context.work}/crashes"
    if not report.wanted("crashes"):
        return
    if reason := uml.missing():
        return report.lacking("crashes", reason)
    if not shutil.which("cargo"):
        return report.lacking("crashes", "cargo is not installed")
    os.makedirs(folder)
    times = QUICK_TIMES if report.quick else TIMES
    words = ["cargo", "test", "--quiet", "--locked", "--test", "it", "--", "--show-output", *TESTS]
    done = subprocess.run(words, cwd=models.ROOT, env=dict(os.environ, CRASH_IMAGES=folder, CRASH_STATES=str(times)),
                          capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        return report.fail("crashes/states", done.stdout[-600:] + done.stderr[-300:])
    states = sum(int(count) for count in re.findall(r"^crash states: (\d+)", done.stdout, re.MULTILINE))
    print(f"crashes: {states} states")
    report.verdict("crashes/states", [] if report.quick or states >= LEAST else [f"only {states} states"])
    jobs = sample(folder, QUICK if report.quick else EACH)
    results = uml.mount_all(jobs, f"{context.work}/crashes-guest")
    for job in jobs:
        models.compare(report, f"crashes/{job['id']}", job, results.get(job["id"]) or {"error": "never mounted"},
                       f"{context.work}/crashes-guest/results")
    if not report.keep:
        shutil.rmtree(folder)


def sample(folder, count):
    """Of the states of each volume a few, by seed."""
    kinds = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".img"):
            kinds.setdefault(file.split("--seed-")[0], []).append(file[:-4])
    dice = random.Random(SEED)
    chosen = [name for states in kinds.values() for name in dice.sample(states, min(count, len(states)))]
    return [models.mounting(folder, name) for name in chosen]
