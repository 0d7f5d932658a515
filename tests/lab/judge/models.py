"""Owns: volumes of the model tests.  Stories of random changes through the library's builder, on images and on every simulated
medium and layout; the tests leave each state, and beside it what must be in it.  The kernel mounts a seeded handful of them, at
least one of each story's kind, and what it shows is compared with the model."""

import hashlib
import json
import os
import random
import shutil
import subprocess

import listing
import uml
from kernel import sector

ROOT = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../../..")
SEED = 4
EACH, QUICK = 2, 1          # states of each kind
SECONDS = 1800              # for the tests themselves, a build included


def judge(context):
    folder = f"{context.work}/models"
    if tested(context, "models", {"BUILDER_IMAGES": folder}, "follow_the_model") is not None:
        mounted(context, "models", sample(folder, QUICK if context.report.quick else EACH))


def tested(context, name, environment, *filters):
    """What tests of the library print that leave volumes in the folder of that name; None, and a word about it, if they did not pass or
    need not or cannot run."""
    report = context.report
    if not report.wanted(name):
        return None
    if reason := uml.missing():
        return report.lacking(name, reason)
    if not shutil.which("cargo"):
        return report.lacking(name, "cargo is not installed")
    os.makedirs(f"{context.work}/{name}")
    tests = ["cargo", "test", "--quiet", "--locked", "--test", "it", "--", "--show-output", *filters]
    done = subprocess.run(tests, cwd=ROOT, env=dict(os.environ, **environment), capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        return report.fail(f"{name}/made", done.stdout[-600:] + done.stderr[-300:])
    return done.stdout


def mounted(context, name, jobs):
    """The kernel mounts volumes that the tests of that name left, and shows what must be in them."""
    results = uml.mount_all(jobs, f"{context.work}/{name}-guest")
    for job in jobs:
        compare(context.report, f"{name}/{job['id']}", job, results.get(job["id"]) or {"error": "never mounted"},
                f"{context.work}/{name}-guest/results")
    if not context.report.keep:
        shutil.rmtree(f"{context.work}/{name}")


def kind(name):
    """Medium or block size, and layout: what comes before the revision or the seed."""
    return "-".join(word for word in name.split("--seed")[0].split("-") if not (word.isdigit() and len(word) == 3))


def sample(folder, count):
    """Of each kind a few states, by seed: one of the last of a story, when most has happened to it, and any other."""
    kinds = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".img"):
            kinds.setdefault(kind(file[:-4]), []).append(file[:-4])
    dice, jobs = random.Random(SEED), []
    for states in kinds.values():
        latest = max(int(name.rsplit("-", 1)[1]) for name in states)
        chosen = [dice.choice([name for name in states if int(name.rsplit("-", 1)[1]) == latest])]
        chosen += dice.sample([name for name in states if name not in chosen], min(count - 1, len(states) - 1))
        jobs += [mounting(folder, name) for name in chosen]
    return jobs


def mounting(folder, name):
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        facts, *items = [json.loads(line) for line in file]
    job = {"id": name, "image": f"{folder}/{name}.img", "sector": sector(facts["block"]), "items": items}
    return {**job, "options": f"session={facts['session']}"} if facts["session"] else job


def compare(report, name, job, result, results):
    if result["error"]:
        return report.fail(name, f"{result['error']}; {result.get('dmesg', '')[-300:]}")
    told = job.get("told")
    errors = [line for line in result["dmesg"].splitlines() if "UDF-fs: error" in line and not (told and line.endswith(told))]
    got = {entry["path"]: entry for entry in listing.load(f"{results}/{job['id']}.jsonl") if entry["path"] != "."}
    want = {item["path"][1:]: item for item in job["items"]}
    errors += [f"{path}: missing" for path in sorted(set(want) - set(got))]
    errors += [f"{path}: not expected" for path in sorted(set(got) - set(want))]
    for path in sorted(set(want) & set(got)):
        errors += [f"{path}: {line}" for line in differences(want[path], got[path])]
    report.verdict(name, errors)


def differences(want, got):
    if got.get("error"):
        return [got["error"]]
    if got["type"] != want["kind"]:
        return [f"a {got['type']}, not a {want['kind']}"]
    if want["kind"] == "symlink":
        return [] if got["target"] == want["body"] else [f"leads to {got['target']!r}, not {want['body']!r}"]
    if want["kind"] == "directory":
        return []
    body = bytes.fromhex(want["body"])
    lines = [] if got["size"] == len(body) else [f"{got['size']} bytes, not {len(body)}"]
    lines += [] if got["sha256"] == hashlib.sha256(body).hexdigest() else ["another body"]
    return lines + ([] if got["mode"] == want["mode"] else [f"mode {got['mode']:o}, not {want['mode']:o}"])
