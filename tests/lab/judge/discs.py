"""Owns: discs that are written one sector after the other.  Every medium and revision: create, two appends to the open
session, its closing, an append that begins a session: the kernel's view of each state against the sources, of the last
also by its start (`session=`) and of older ones by their last block (`lastblock=`); udfinfo's view of each."""

import os
import shutil
import subprocess

import commands
import compare
import kernel
import listing
import trees
import uml
from product import Refused

MEDIA = ("cd-r", "dvd-r", "dvd+r", "bd-r")
REVISIONS = ("1.50", "2.00", "2.01", "2.50", "2.60")
QUICK = {("cd-r", "1.50"), ("dvd+r", "2.01"), ("bd-r", "2.50")}
STAGES = ("create", "append-1", "append-2", "close", "append-3")
SECTOR = 2048


class Disc:
    """One disc through all stages, with a copy of every state and what each must show."""

    def __init__(self, context, sources, work, medium, revision):
        self.product, self.report, self.sources = context.product, context.report, sources
        self.medium, self.volume_revision, self.block = medium, revision, SECTOR
        self.revision = min(revision, "2.01")      # what readers must know where there is no metadata partition
        self.name, self.folder = f"discs/{medium}-{revision}", f"{work}/{medium}-{revision}"
        self.states, self.wants, self.start = [], [], 0

    def make(self):
        os.makedirs(self.folder)
        image, want = f"{self.folder}/disc.img", []
        for stage in STAGES:
            try:
                want = getattr(self, stage.replace("-", "_"))(image, want)
                self.states.append(f"{self.folder}/{stage}.img")
                subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.states[-1]], check=True)
                shutil.copy(f"{image}.media", f"{self.states[-1]}.media")
            except (Refused, OSError) as error:
                return self.report.fail(f"{self.name}/{stage}", str(error))
            self.wants.append(compare.expected(want))
        self.start = self.product.sessions(image)[-1]["start"]

    def create(self, image, _):
        root, want = self.sources.ready("rich")
        self.product.create(image, root, medium=self.medium, revision=self.volume_revision, label=commands.LABEL)
        return want

    def append_1(self, image, want):
        root, added = self.sources.ready("additions")
        self.product.append(image, root)
        return compare.overlay(want, added)

    def append_2(self, image, want):
        root, added = self.sources.ready("replacements")
        self.product.append(image, root, remove=trees.REMOVED)
        return compare.overlay(compare.without(want, trees.REMOVED), added)

    def close(self, image, want):
        self.product.run("close", image)
        return want

    def append_3(self, image, want):
        root, source = self.sources.ready("changed")
        self.product.append(image, root, options=["--mirror"])
        return compare.mirrored(want, source)

    def jobs(self):
        """Each state by itself; in the last one the newest session by its start, and the others by their last block."""
        job = f"disc-{self.medium}-{self.volume_revision}".replace("+", "p")
        for stage, image in zip(STAGES, self.states):
            yield {"id": f"{job}-{stage}", "image": image, "sector": SECTOR}
        if len(self.states) == len(STAGES):
            newest = self.states[-1]
            yield {"id": f"{job}-by-start", "image": newest, "sector": SECTOR, "options": f"session={self.start}"}
            for stage, image in zip(STAGES[:3], self.states):
                last = os.path.getsize(image) // SECTOR - 1
                yield {"id": f"{job}-back-to-{stage}", "image": newest, "sector": SECTOR, "options": f"lastblock={last}"}

    def judge(self, results, folder):
        wants = dict(zip(STAGES, self.wants))
        wants["by-start"] = self.wants[-1] if self.wants else None
        wants.update({f"back-to-{stage}": want for stage, want in zip(STAGES[:3], self.wants)})
        for job in self.jobs():
            stage = job["id"].removeprefix(f"disc-{self.medium}-{self.volume_revision}-".replace("+", "p"))
            result = results.get(job["id"]) or {"error": "never mounted"}
            if result["error"]:
                self.report.fail(f"{self.name}/{stage}", f"{result['error']}; {result.get('dmesg', '')[-300:]}")
                continue
            got = listing.load(f"{folder}/results/{job['id']}.jsonl")
            errors = [line for line in result["dmesg"].splitlines() if "UDF-fs: error" in line]
            self.report.verdict(f"{self.name}/{stage}", errors + compare.differences(wants[stage], got))
        for stage, image in zip(STAGES, self.states):
            commands.judge(self, f"{self.name}/{stage}", image, wants[stage], False)
            self.udfinfo(stage, image, wants[stage])
        shutil.rmtree(self.folder) if not self.report.keep else None

    def udfinfo(self, stage, image, want):
        """Label, and that it finds the table; its revision is the least that readers must know, which without a
        metadata partition is 2.01.  It counts files as the session's first state does, so that is not compared."""
        if not shutil.which("udfinfo"):
            return self.report.lacking(f"{self.name}/{stage}/udfinfo", "udfinfo is not installed")
        start = ["--startblock", str(self.start)] if stage == "append-3" else []
        done = subprocess.run(["udfinfo", *start, image], capture_output=True, text=True)
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line and not line.startswith("start="))
        last = str(os.path.getsize(image) // SECTOR - 1)
        wanted = {"label": commands.LABEL, "udfrev": self.revision, "vatblock": last, "accesstype": "writeonce"}
        lines = [f"{key} is {told.get(key)!r}, not {value!r}" for key, value in wanted.items() if told.get(key) != value]
        self.report.verdict(f"{self.name}/{stage}/udfinfo", lines if done.returncode == 0 else [done.stderr[-300:]])


def judge(context):
    matrix = [(m, r) for m in MEDIA for r in REVISIONS if context.report.wanted(f"discs/{m}-{r}")
              and (not context.report.quick or (m, r) in QUICK)]
    if not matrix:
        return
    if reason := uml.missing():
        return context.report.lacking("discs", reason)
    work = f"{context.work}/discs"
    os.makedirs(work)
    sources = kernel.Sources(work)
    discs = [Disc(context, sources, work, *config) for config in matrix]
    for disc in discs:
        disc.make()
    results = uml.mount_all([job for disc in discs for job in disc.jobs()], f"{work}/guest")
    for disc in discs:
        disc.judge(results, f"{work}/guest")
