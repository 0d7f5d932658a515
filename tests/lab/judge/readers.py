"""Owns: other programs that read UDF, on our images of plain files and directories.  Which program knows what is the
table LIMITS; everything that is not excused there has to work, names and contents included."""

import concurrent.futures
import os
import shutil
import subprocess

import compare
import listing
import tools
import trees
from kernel import BLOCKS, REVISIONS
from product import Refused

# (reader, facts of an image that it does not know, why).  A fact is (name, values); all facts of a row must hold.
LIMITS = [
    ("7zz", {"block": (1024, 4096)}, "7-Zip looks for the anchor at sector 256 of 2048 or 512 bytes only"),
    ("libudfread", {"block": (512, 1024, 4096)}, "libudfread knows blocks of 2048 bytes only"),
    ("grub", {"metadata": (True,)}, "GRUB knows partition maps of type 1 only"),
    ("grub", {"virtual": (True,)}, "GRUB knows partition maps of type 1 only"),
    ("grub", {"sparable": (True,)}, "GRUB knows partition maps of type 1 only"),
    ("7zz", {"sparable": (True,)}, "7-Zip knows no sparable partitions"),
    ("libudfread", {"sparable": (True,)}, "libudfread knows no sparable partitions"),
    ("7zz", {"virtual": (True,)}, "7-Zip knows no virtual partitions"),
    ("libudfread", {"virtual": (True,)}, "libudfread knows no virtual partitions"),
]
QUICK = {("1.02", 2048), ("2.01", 512), ("2.01", 2048), ("2.50", 2048)}
REMOVED = ["sizes/511", "many/entry 0007"]
READERS = {"udfinfo": tools.udfinfo, "blkid": tools.blkid, "udfdump": tools.udfdump, "udfclient": tools.udfclient,
           "7zz": tools.sevenzip, "libudfread": tools.libudfread, "grub": tools.grub}
PROGRAMS = {"grub": "grub-fstest", "libudfread": "gcc"}


# Discs written in packets, with a sparable partition; write-once discs with a virtual allocation table: (medium, revision)
PACKETS = [("cd-rw-packet", "2.00"), ("dvd-rw-packet", "2.01")]
DISCS = [("cd-r", "1.50"), ("dvd-r", "2.00"), ("dvd+r", "2.01"), ("bd-r", "2.50"), ("bd-r", "2.60")]


def excuse(reader, facts):
    return next((why for name, limits, why in LIMITS if name == reader
                 and all(facts[fact] in values for fact, values in limits.items())), None)


def facts_of(image, revision, block):
    """What decides whether a reader knows the image's structure: the partition map is looked for where it must be."""
    with open(image, "rb") as f:
        start = f.read(4 << 20)
    return {"revision": revision, "block": block, "metadata": b"*UDF Metadata Partition" in start,
            "virtual": b"*UDF Virtual Partition" in start, "sparable": b"*UDF Sparing Table" in start}


def judge(context):
    report, work = context.report, f"{context.work}/readers"
    volumes = [(r, b, None) for r in REVISIONS for b in BLOCKS if not report.quick or (r, b) in QUICK]
    volumes += [(r, 2048, medium) for medium, r in DISCS + PACKETS]
    configs = [one for one in volumes if any(report.wanted(f"readers/{reader}/{called(*one)}") for reader in READERS)]
    if not configs:
        return
    os.makedirs(work)
    readers = {}
    for reader, function in READERS.items():
        if shutil.which(PROGRAMS.get(reader, reader)):
            readers[reader] = function
        else:
            report.lacking(f"readers/{reader}", f"{PROGRAMS.get(reader, reader)} is not installed")
    if "libudfread" in readers and (error := tools.build_libudfread(work)):
        report.lacking("readers/libudfread", error)
        del readers["libudfread"]
    images, excused = [], {}
    for config in configs:
        images += make(context, work, *config)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:    # some of them mostly sleep
        todo = []
        for image in images:
            for reader, function in readers.items():
                if not report.wanted(f"readers/{reader}/{image['name']}") and not report.wanted(f"readers/{reader}/{image['of']}"):
                    continue
                if why := excuse(reader, image["facts"]):
                    excused.setdefault((reader, why), []).append(image["name"])
                else:
                    todo.append(pool.submit(one, context, work, reader, function, image))
        for done in todo:
            done.result()
    for (reader, why), names in excused.items():
        report.skip(f"readers/{reader}", f"{why} ({len(names)} images: {names[0]} ... {names[-1]})")


def called(revision, block, medium):
    return f"{medium}-{revision}" if medium else f"{revision}-{block}"


def make(context, work, revision, block, medium):
    """The image fresh, and after an append."""
    sources = {name: f"{work}/{name}" for name in ("plain", "plain_additions")}
    for name, root in sources.items():
        if not os.path.exists(root):
            getattr(trees, name)(root)
    name, made = called(revision, block, medium), []
    image = f"{work}/{name}.udf"
    try:
        first = listing.walk(sources["plain"])
        size = ("--capacity", "96M") if (medium, revision) in PACKETS else ()
        context.product.create(image, sources["plain"], revision=revision, block=block, medium=medium, label="LAB é", options=size)
        made.append((name, image, first))
        appended = f"{work}/{name}-appended.udf"
        subprocess.run(["cp", "--sparse=always", image, appended], check=True)
        if os.path.exists(f"{image}.media"):
            shutil.copy(f"{image}.media", f"{appended}.media")
        context.product.append(appended, sources["plain_additions"], remove=REMOVED)
        made.append((f"{name}-appended", appended, compare.overlay(compare.without(first, REMOVED), listing.walk(sources["plain_additions"]))))
    except Refused as refused:
        context.report.fail(f"readers/{name}", str(refused))
    result = []
    for label, path, want in made:
        result.append({"name": label, "of": name, "path": path, "want": compare.expected(want), "revision": revision, "block": block,
                       "facts": facts_of(path, revision, block), "label": "LAB é",
                       # what readers must know where there is no metadata partition
                       "reader_revision": min(revision, "2.01") if medium else revision})
    return result


def one(context, work, reader, function, image):
    name = f"readers/{reader}/{image['name']}"
    room = f"{work}/{reader}-{image['name']}"
    os.makedirs(room)
    try:
        lines = function(image, room, context)
    except (tools.Trouble, Refused) as trouble:
        lines = [str(trouble)]
    finally:
        shutil.rmtree(room, ignore_errors=True)
    context.report.verdict(name, lines)
