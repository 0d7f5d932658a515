"""Owns: the kernel matrix.  Every revision and block size, and every revision on every disc that is written in any order: create, three appends,
back to the first session; the kernel's view of each state and, through `session=`, of each older session, against the sources; and our own
commands on the same images."""

import os
import shutil
import subprocess

import commands
import compare
import listing
import tree
import trees
import uml
from context import halves
from product import Refused

REVISIONS = ("1.02", "1.50", "2.00", "2.01", "2.50", "2.60")
BLOCKS = (512, 1024, 2048, 4096)
DISCS = ("dvd-ram", "dvd+rw", "dvd-rw", "bd-re")                              # laid out for whole write units, sectors of 2048
QUICK = {("1.02", 2048), ("1.50", 512), ("2.01", 4096), ("2.50", 2048), ("2.60", 1024), ("2.01", "dvd-ram"), ("2.50", "bd-re")}
CROWDED = {("1.50", 1024), ("2.01", 2048), ("2.60", 4096)}                    # with a directory of thousands
ZONES = ("UTC0", "IST-5:30", "EST5EDT,M3.2.0,M11.1.0", "<+1245>-12:45")     # must not matter
EXTRACTED = 2048                                                            # the block size at which contents come back too
STAGES = ("create", "append-1", "append-2", "append-3", "revert")


def sector(block, other=False):
    """Sector size of the loop device: the kernel tries its size and larger ones; it knows no loop of 1024."""
    return 512 if block == 1024 or (other and block == 2048) else 2048 if other else block


def number(revision, ground):
    """The sum of the places of both in their rows."""
    return REVISIONS.index(revision) + (DISCS if ground in DISCS else BLOCKS).index(ground)


class Sources:
    """One worker's own source trees: reading changes their access times."""

    def __init__(self, work):
        self.roots = {name: f"{work}/sources/{name}" for name in ("rich", "crowded", "additions", "replacements", "changed")}
        for name, root in self.roots.items():
            getattr(trees, name)(root)
        self.remembered = {}
        for root in self.roots.values():
            listing.walk(root, self.remembered)

    def ready(self, name):
        """The folder and its listing right before it is read."""
        root = self.roots[name]
        if name != "changed":    # its times are its own
            tree.settle(root)
        return root, listing.walk(root, self.remembered)


class Volume:
    """One image from its creation to the session that goes back to it, with a copy of every state and what each must show."""

    def __init__(self, context, sources, work, revision, ground):
        self.product, self.report, self.sources = context.product, context.report, sources
        self.revision, self.ground = revision, ground
        self.medium, self.block = (ground, 2048) if ground in DISCS else (None, ground)
        self.id = f"{revision}-{ground}".replace("+", "p")
        self.name, self.folder = f"kernel/{revision}-{ground}", f"{work}/{self.id}"
        self.states, self.wants, self.starts = [], [], []
        self.zone = ZONES[number(revision, ground) % len(ZONES)]

    def make(self):
        os.makedirs(self.folder)
        image = f"{self.folder}/image.udf"
        want = []
        for number, stage in enumerate(STAGES):
            try:
                want = getattr(self, stage.replace("-", "_"))(image, want)
            except Refused as refused:
                return self.report.fail(f"{self.name}/{stage}", str(refused))
            self.wants.append(compare.expected(want))
            self.states.append(f"{self.folder}/{stage}.udf")
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.states[-1]], check=True)
        try:
            self.starts = [record["start"] for record in self.product.sessions(image)]
        except (Refused, KeyError, ValueError) as error:
            self.report.fail(f"{self.name}/sessions", str(error))

    def create(self, image, _):
        root, want = self.sources.ready("crowded" if (self.revision, self.ground) in CROWDED else "rich")
        self.created = want
        block = None if self.medium else self.block
        self.product.create(image, root, revision=self.revision, block=block, medium=self.medium, label=commands.LABEL,
                            zone=self.zone)
        return want

    def append_1(self, image, want):
        root, added = self.sources.ready("additions")
        self.product.append(image, root, zone=self.zone)
        return compare.overlay(want, added)

    def append_2(self, image, want):
        root, added = self.sources.ready("replacements")
        self.product.append(image, root, remove=trees.REMOVED, zone=self.zone)
        return compare.overlay(compare.without(want, trees.REMOVED), added)

    def append_3(self, image, want):
        root, source = self.sources.ready("changed")
        self.product.append(image, root, options=["--mirror"], zone=self.zone)
        return compare.mirrored(want, source)

    def revert(self, image, _):
        self.product.run("revert", "--to", "1", image, zone=self.zone)
        return self.created

    def jobs(self):
        """What the kernel shall mount: every state, and in the last one each session but the newest."""
        other = self.block >= 2048
        for stage, image in zip(STAGES, self.states):
            yield {"id": f"{self.id}-{stage}", "image": image,
                   "sector": sector(self.block, other and stage == "append-1")}
        for number, start in enumerate(self.starts[:-1], 1):
            yield {"id": f"{self.id}-session-{number}", "image": self.states[-1],
                   "sector": sector(self.block), "options": f"session={start}"}

    def judge(self, results, folder):
        for number, stage in enumerate(STAGES[:len(self.states)]):
            got = self.compare(stage, results, folder, self.wants[number])
            if number == 0 and got:
                self.holes(got)
        if self.states and len(self.starts) != len(self.states):
            self.report.fail(f"{self.name}/sessions", f"{len(self.starts)} listed of {len(self.states)}")
        for number in range(1, min(len(self.starts), len(self.wants))):
            self.compare(f"session-{number}", results, folder, self.wants[number - 1])
        for number, image in enumerate(self.states):
            thorough = self.ground == EXTRACTED and STAGES[number] in ("create", "append-3")
            commands.judge(self, f"{self.name}/{STAGES[number]}", image, self.wants[number], thorough)
        shutil.rmtree(self.folder) if not self.report.keep else None

    def compare(self, stage, results, folder, want):
        job = f"{self.id}-{stage}"
        result = results.get(job) or {"error": "never mounted"}
        if result["error"]:
            return self.report.fail(f"{self.name}/{stage}", f"{result['error']}; {result.get('dmesg', '')[-300:]}")
        got = listing.load(f"{folder}/results/{job}.jsonl")
        errors = [line for line in result["dmesg"].splitlines() if "UDF-fs: error" in line]
        self.report.verdict(f"{self.name}/{stage}", errors + compare.differences(want, got))
        return got

    def holes(self, got):
        """A hole stays one: nothing allocated for it, as the kernel counts."""
        want = {e["path"]: e for e in self.wants[0]}
        lines = [f"{e['path']}: {e['blocks'] // 2} KiB allocated, not {want[e['path']]['blocks'] // 2}" for e in got
                 if e["path"].startswith("sparse/") and e["path"] in want and e["blocks"] > want[e["path"]]["blocks"] + 128]
        self.report.verdict(f"{self.name}/holes", lines)


def judge(context):
    every = [(r, ground) for ground in (*BLOCKS, *DISCS) for r in REVISIONS]
    usual = lambda r, ground: ground == EXTRACTED or context.report.chosen(number(r, ground), 3 if ground in DISCS else 2)
    matrix = [(r, ground) for r, ground in every if context.report.wanted(f"kernel/{r}-{ground}")
              and ((r, ground) in QUICK if context.report.quick else usual(r, ground))]
    if not matrix:
        return
    if reason := uml.missing():
        return context.report.lacking("kernel", reason)
    halves(f"{context.work}/kernel", matrix, lambda work, half: judge_half(context, work, half))


def judge_half(context, work, matrix):
    """Some volumes: made one after the other, mounted in one boot."""
    os.makedirs(work)
    sources = Sources(work)
    volumes = [Volume(context, sources, work, *config) for config in matrix]
    for volume in volumes:
        volume.make()
    results = uml.mount_all([job for volume in volumes for job in volume.jobs()], f"{work}/guest")
    for volume in volumes:
        volume.judge(results, f"{work}/guest")
