"""Owns: volumes that others made, read by us.  The truth is the kernel's view of them; where the kernel can also write
(mkudffs and newfs_udf volumes up to 2.01), it first copies the rich tree onto them."""

import hashlib
import os
import shutil
import subprocess

import compare
import listing
import trees
import uml
from commands import listed
from context import halves
from kernel import sector
from product import Refused

LAB = uml.LAB
MKUDFFS = [("hd", r, b) for r in ("1.02", "1.50", "2.00", "2.01") for b in (512, 1024, 2048, 4096)] + \
          [("dvdram", "1.02", 2048), ("dvdram", "2.01", 2048), ("cdrw", "1.50", 2048), ("cdrw", "2.01", 2048), ("dvdrw", "2.00", 2048),
           ("bdr", "2.50", 2048), ("dvdr", "2.01", 2048)]
READ_ONLY = ("bdr", "dvdr", "cdr")          # VAT media: the kernel cannot write them, so they stay empty
QUICK = {"hd-1.02-2048", "hd-2.01-512", "cdrw-2.01-2048", "newfs_udf", "genisoimage", "pycdlib"}
MIB = 80
NOBODY = 65534
SPACE_FILE = "Non-Allocatable Space"        # of sparable volumes before 2.00 (UDF 1.50 2.3.13): hidden, and no file of the tree's


def mkudffs(folder, medium, revision, block, blocks=None, options=()):
    image = f"{folder}/{medium}-{revision}-{block}.udf"
    run(["mkudffs", "--utf8", "--new-file", "-m", medium, "-r", revision, "-b", str(block), "--label=mkudffs é", *options, image,
         str(blocks or MIB * (1 << 20) // block)])
    return image, sector(block)


def newfs_udf(folder):
    image = f"{folder}/newfs.udf"
    run(["newfs_udf", "-b", "2048", "-s", str(MIB * 512), "-L", "newfs", image])
    return image, 2048


def genisoimage(folder, plain):
    image = f"{folder}/genisoimage.udf"
    run(["genisoimage", "-quiet", "-udf", "-r", "-J", "-allow-limited-size", "-input-charset", "utf-8", "-o", image, plain])
    return image, 2048


def pycdlib(folder, plain):
    image = f"{folder}/pycdlib.udf"
    run(["/usr/bin/python3", f"{LAB}/readers/pycdlib-make.py", plain, image])
    return image, 2048


def run(words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {(done.stderr or done.stdout).strip()[-300:]}")


def volumes(folder, sources):
    """(name, tool, is the rich tree copied onto it, function that makes it)"""
    for medium, revision, block in MKUDFFS:
        yield (f"{medium}-{revision}-{block}", "mkudffs", medium not in READ_ONLY,
               lambda m=medium, r=revision, b=block: mkudffs(folder, m, r, b))
    yield "newfs_udf", "newfs_udf", True, lambda: newfs_udf(folder)
    yield "genisoimage", "genisoimage", False, lambda: genisoimage(folder, sources["plain"])
    yield "pycdlib", "/usr/bin/python3", False, lambda: pycdlib(folder, sources["plain"])


def judge(context):
    report, work = context.report, f"{context.work}/foreign"
    sources = {name: f"{work}/sources/{name}" for name in ("rich", "plain")}
    wanted = [v for v in volumes(work, sources) if report.wanted(f"foreign/{v[0]}") and (not report.quick or v[0] in QUICK)]
    if not wanted:
        return
    if reason := uml.missing():
        return report.lacking("foreign", reason)
    trees.rich(sources["rich"], many=700, device=(8, 17))     # the kernel writes no larger device numbers
    trees.plain(sources["plain"])
    listing.save(listing.walk(sources["rich"]), f"{work}/rich.jsonl")
    halves(work, wanted, lambda folder, half: judge_half(context, folder, sources, half))


def judge_half(context, work, sources, wanted):
    jobs = []
    os.makedirs(work)
    fill = ["/usr/bin/python3", f"{LAB}/guest/fill.py", sources["rich"], os.path.dirname(work) + "/rich.jsonl"]
    for name, tool, written, make in wanted:
        if not shutil.which(tool):
            context.report.lacking(f"foreign/{name}", f"{tool} is not installed")
            continue
        try:
            image, size = make()
        except RuntimeError as error:
            context.report.lacking(f"foreign/{name}", str(error))
            continue
        jobs.append({"id": name, "image": image, "sector": size, "options": "unhide"} | ({"write": fill} if written else {}))
    results = uml.mount_all(jobs, f"{work}/guest", per_job=120)
    for job in jobs:
        name, result = job["id"], results[job["id"]]
        if result["error"]:     # the judge's own work, so nothing is said about ours
            context.report.lacking(f"foreign/{name}", "the kernel: " + result["error"])
            continue
        truth = listing.load(f"{work}/guest/results/{name}.jsonl")
        if job.get("write") and (lost := written_otherwise(f"{os.path.dirname(work)}/rich.jsonl", truth)):
            context.report.lacking(f"foreign/{name}", "the kernel wrote another tree: " + compare.brief(lost))
            continue
        read(context, name, job["image"], truth, work)


def written_otherwise(source, truth):
    """Does the volume hold what was copied?  (Not the times of attribute change.)"""
    copied = [entry for entry in truth if entry["path"] != SPACE_FILE]
    return compare.differences(compare.expected(listing.load(source)), copied, skip=("ctime",))


def read(context, name, image, truth, work):
    """Our listing, our extraction and one file through `cat`, against the kernel's view."""
    for command, lines in readings(context.product, image, truth, f"{work}/extracted"):
        context.report.verdict(f"foreign/{name}/{command}", lines)


def readings(product, image, truth, folder):
    """(command, in what it differs from the kernel's view)"""
    group = compare.groups(truth)
    want = [dict(e, group=group.get(e["path"], e["path"])) for e in truth]
    for entry in want:
        if NOBODY in (entry["uid"], entry["gid"]):    # what the kernel shows for "not specified"
            entry["either"] = [{"uid": owner, "gid": owner} for owner in (None, -1, 0xFFFFFFFF, os.geteuid())]
    try:
        yield "ls", listed(want, product.listing(image))
    except (Refused, ValueError, KeyError, AttributeError, TypeError) as error:
        yield "ls", [f"{type(error).__name__}: {error}"]
    try:
        product.extract(image, folder)
        yield "extract", compare.differences(compare.expected(want), compare.expected(listing.walk(folder)), skip={"atime", "ctime"})
        largest = max((e for e in truth if e["type"] == "file"), key=lambda e: e["size"], default=None)
        if largest:
            data = product.cat(image, largest["path"])
            same = hashlib.sha256(data).hexdigest() == largest["sha256"]
            yield "cat", [] if same else [f"{largest['path']}: other contents"]
    except Refused as error:
        yield "extract", [str(error)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
