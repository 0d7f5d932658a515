"""Owns: the judge of changes in place: the command and the kernel take turns at one volume, made by mkudffs or by us, and agree on
every byte after each turn; `check` stays silent, so that no block is lost. Volumes with a metadata partition, which the kernel only reads,
are changed by the command in every turn."""

import json
import os
import shutil

import foreign
import uml
from context import halves

ROUNDS, QUICK = 50, 12
# medium, revision, block size, how mkudffs accounts for free space: what the kernel writes to
VOLUMES = [("hd", "1.50", 512, None), ("hd", "2.01", 512, None), ("hd", "1.02", 2048, None), ("hd", "2.01", 2048, None),
           ("hd", "2.00", 4096, None), ("hd", "2.01", 2048, "unalloctable"), ("hd", "1.50", 2048, "unalloctable"),
           ("cdrw", "1.50", 2048, None), ("cdrw", "2.01", 2048, None), ("dvdrw", "2.01", 2048, None), ("dvdram", "2.01", 2048, None)]
OURS = [("1.02", 2048, None), ("1.50", 512, None), ("2.00", 4096, None), ("2.01", 2048, None),
        ("1.50", 2048, "cd-rw"), ("2.00", 2048, "cd-rw"), ("2.01", 2048, "cd-rw"), ("2.01", 2048, "dvd-rw"),
        ("2.50", 2048, None), ("2.50", 512, None), ("2.60", 4096, None),
        ("2.60", 2048, "bd-r-pow")]
READ_ONLY = ("2.50", "2.60")        # for the kernel
VOLUME_BYTES = 24 << 20


def judge(context):
    report, work = context.report, f"{context.work}/rewrite"
    if not report.wanted("rewrite"):
        return
    if reason := uml.missing():
        return report.lacking("rewrite", reason)
    if not shutil.which("mkudffs"):
        return report.lacking("rewrite", "udftools is not installed")
    volumes = [("-".join(filter(None, ("mkudffs", medium, revision, str(block), space))), medium, revision, block,
                (f"--space={space}",) if space else ()) for medium, revision, block, space in VOLUMES]
    if shutil.which("newfs_udf"):
        volumes.append(("newfs_udf", "newfs_udf", None, 2048, ()))
    for revision, block, medium in OURS:
        options = made_for(medium)
        volumes.append((f"ours-{medium + '-' if medium else ''}{revision}-{block}", None, revision, block, options))
    jobs = []
    for number, (name, medium, revision, block, options) in enumerate(volumes):
        if not report.wanted(f"rewrite/{name}"):
            continue
        folder = f"{work}/{name}"
        os.makedirs(folder)
        if medium == "newfs_udf":
            image, _ = foreign.newfs_udf(folder)
        elif medium:
            image, _ = foreign.mkudffs(folder, medium, revision, block, VOLUME_BYTES // block, options)
        else:
            image = f"{folder}/{name}.udf"
            context.product.create(image, revision=revision, block=block, options=options)
        jobs.append({"id": name, "image": image, "sector": block, "seed": 50 + number, "read_only": revision in READ_ONLY,
                     "rounds": QUICK if report.quick else ROUNDS})
    halves(work, jobs, lambda work, half: judge_half(context, work, half))
    if not report.keep:
        shutil.rmtree(work)


def made_for(medium):
    """How a volume is made that is changed in place. What is recorded once for pseudo-overwrite stays taken, so that takes more."""
    size = ("--capacity", VOLUME_BYTES)
    if not medium:
        return ("--rewritable", *size)
    if medium == "bd-r-pow":
        return ("-m", medium, "--capacity", 8 * VOLUME_BYTES)
    return ("-m", medium, "--layout", "sparable", *size)


def judge_half(context, work, jobs):
    """Some volumes, one after the other in one guest."""
    os.makedirs(f"{work}/results")
    with open(f"{work}/jobs.json", "w", encoding="utf-8") as file:
        json.dump(jobs, file)
    words = ["/usr/bin/python3", f"{uml.LAB}/guest/rewrite.py", f"{work}/jobs.json", f"{work}/results", context.product.path]
    status, output = uml.run(words, work, sorted({os.path.dirname(job["image"]) for job in jobs}), timeout=1800)
    for job in jobs:
        path = f"{work}/results/{job['id']}.json"
        if not os.path.exists(path):
            context.report.fail(f"rewrite/{job['id']}", f"never got so far ({status}): {output[-300:]}")
            continue
        with open(path, encoding="utf-8") as file:
            error = json.load(file)["error"]
        context.report.verdict(f"rewrite/{job['id']}", [error] if error else [])
