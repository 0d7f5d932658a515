"""Owns: discs that are written one sector after the other.  Every medium, layout and revision, three sessions each.  With a
table: create, two appends to the open session, its closing, an append that begins a session, and once more.  Logical sessions:
create and three appends, each a session.  The kernel's view of each state against the sources, of the finished disc each
session by its start (`session=`) and its last block (`lastblock=`), and older states of the first session by their last
block; udfinfo's view of each state."""

import json
import os
import shutil
import subprocess

import commands
import compare
import kernel
import listing
import trees
import uml
from context import halves
from product import Refused

MEDIA = ("cd-r", "dvd-r", "dvd+r", "dvd+r-dl", "bd-r")
ERASABLE = {"cd-rw": "2.01", "dvd-rw-seq": "2.50"}      # written as cd-r and dvd-r are: usually one revision of each will do
REVISIONS = {"vat": ("1.50", "2.00", "2.01", "2.50", "2.60"), "session": ("1.02", "1.50", "2.00", "2.01", "2.50", "2.60")}
QUICK = {("cd-r", "vat", "1.50"), ("dvd+r", "vat", "2.01"), ("bd-r", "vat", "2.50"),
         ("cd-r", "session", "1.02"), ("dvd-r", "session", "2.01"), ("bd-r", "session", "2.60")}
STAGES = {"vat": ("create", "append-1", "append-2", "close", "append-3", "close-again", "append-4"),
          "session": ("create", "append-1", "append-2", "append-3")}
SECTOR = 2048
BATCH = 5


class Disc:
    """One disc through all stages, with a copy of every state and what each must show."""

    def __init__(self, context, sources, work, medium, layout, revision):
        self.product, self.report, self.sources = context.product, context.report, sources
        self.medium, self.layout, self.volume_revision, self.block = medium, layout, revision, SECTOR
        # what readers must know where there is no metadata partition
        self.revision = min(revision, "2.01") if layout == "vat" else revision
        self.id = f"{medium}-{revision}" + ("-session" if layout == "session" else "")
        self.name, self.folder = f"discs/{self.id}", f"{work}/{self.id}"
        self.stages, self.states, self.wants, self.starts, self.sessions = STAGES[layout], [], [], [], []

    def make(self):
        os.makedirs(self.folder)
        image, want = f"{self.folder}/disc.img", []
        for stage in self.stages:
            try:
                want = getattr(self, stage.replace("-", "_"))(image, want)
                state = f"{self.folder}/{stage}.img"
                subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, state], check=True)
                shutil.copy(f"{image}.media", f"{state}.media")
                start = self.product.sessions(image)[-1]["start"]
            except (Refused, OSError) as error:
                return self.report.fail(f"{self.name}/{stage}", str(error))
            self.states.append(state)
            self.starts.append(start)
            self.wants.append(compare.expected(want))
        self.sessions = self.drive(image)

    def drive(self, image):
        """Start and last sector of each session, as the file beside the image has them."""
        with open(f"{image}.media", encoding="utf-8") as file:
            state = json.load(file)
        found = [(session["start"], session["last"]) for session in state["sessions"]]
        if state["next_writable"] > state["open_session_start"]:
            found.append((state["open_session_start"], os.path.getsize(image) // SECTOR - 1))
        return found

    def create(self, image, _):
        root, want = self.sources.ready("rich")
        self.product.create(image, root, medium=self.medium, revision=self.volume_revision, label=commands.LABEL,
                            options=["--layout", self.layout])
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

    close_again = close

    def append_3(self, image, want):
        root, source = self.sources.ready("changed")
        self.product.append(image, root, options=["--mirror"])
        return compare.mirrored(want, source)

    append_4 = append_1

    def jobs(self):
        """Each state by itself; of the finished disc each session, and older states by their last block.  The kernel's
        loop device knows no sessions, so logical ones are told; a table is the last thing on the disc."""
        for stage, image, start in zip(self.stages, self.states, self.starts):
            yield self.job(stage, image, f"session={start}" if self.layout == "session" else None)
        if len(self.states) < len(self.stages):
            return
        newest = self.states[-1]
        for number, (start, last) in enumerate(self.sessions, 1):
            yield self.job(f"session-{number}", newest, f"session={start},lastblock={last}")
        yield self.job("newest-by-start", newest, f"session={self.sessions[-1][0]}")
        if self.layout == "vat":
            for stage, image in zip(self.stages[:3], self.states):
                yield self.job(f"back-to-{stage}", newest, f"lastblock={os.path.getsize(image) // SECTOR - 1}")

    def job(self, view, image, options):
        job = {"id": f"disc-{self.id}-{view}".replace("+", "p"), "image": image, "sector": SECTOR, "view": view}
        return {**job, "options": options} if options else job

    def shown(self):
        """What each view must show."""
        wants = dict(zip(self.stages, self.wants))
        wants["newest-by-start"] = self.wants[-1] if self.wants else None
        wants.update({f"back-to-{stage}": want for stage, want in zip(self.stages[:3], self.wants)})
        for number, (first, _) in enumerate(self.sessions, 1):
            wants[f"session-{number}"] = [want for start, want in zip(self.starts, self.wants) if start == first][-1]
        return wants

    def judge(self, results, folder):
        wants = self.shown()
        if self.sessions:
            count = len(self.sessions)
            wanted = 3 if self.layout == "vat" else 4
            self.report.verdict(f"{self.name}/sessions", [] if count == wanted else [f"{count} sessions, not {wanted}"])
        for job in self.jobs():
            view, result = job["view"], results.get(job["id"]) or {"error": "never mounted"}
            if result["error"]:
                self.report.fail(f"{self.name}/{view}", f"{result['error']}; {result.get('dmesg', '')[-300:]}")
                continue
            got = listing.load(f"{folder}/results/{job['id']}.jsonl")
            errors = [line for line in result["dmesg"].splitlines() if "UDF-fs: error" in line]
            self.report.verdict(f"{self.name}/{view}", errors + compare.differences(wants[view], got))
        for stage, image, start in zip(self.stages, self.states, self.starts):
            commands.judge(self, f"{self.name}/{stage}", image, wants[stage], False)
            self.udfinfo(stage, image, start)
        shutil.rmtree(self.folder) if not self.report.keep else None

    def udfinfo(self, stage, image, start):
        """Label, and that it finds the table; its revision is the least that readers must know.  It counts files as the
        session's first state does, so that is not compared."""
        if not shutil.which("udfinfo"):
            return self.report.lacking(f"{self.name}/{stage}/udfinfo", "udfinfo is not installed")
        place = ["--startblock", str(start)] if start else []
        done = subprocess.run(["udfinfo", *place, image], capture_output=True, text=True)
        told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line and not line.startswith("start="))
        wanted = {"label": commands.LABEL, "udfrev": commands.least_read(self.revision)}
        if self.layout == "vat":
            wanted.update({"vatblock": str(os.path.getsize(image) // SECTOR - 1), "accesstype": "writeonce"})
        else:
            wanted["accesstype"] = "readonly"
        lines = [f"{key} is {told.get(key)!r}, not {value!r}" for key, value in wanted.items() if told.get(key) != value]
        self.report.verdict(f"{self.name}/{stage}/udfinfo", lines if done.returncode == 0 else [done.stderr[-300:]])


def judge(context):
    every = [(medium, layout, revision) for layout, revisions in REVISIONS.items() for m, medium in enumerate(MEDIA)
             for r, revision in enumerate(revisions) if context.report.quick or context.report.chosen(m + r, 3)]
    every += [(medium, layout, revision) for layout, revisions in REVISIONS.items() for medium, usual in ERASABLE.items()
              for revision in revisions if revision == usual or context.report.full]
    name = lambda m, l, r: f"discs/{m}-{r}" + ("-session" if l == "session" else "")
    matrix = [one for one in every if context.report.wanted(name(*one)) and (not context.report.quick or one in QUICK)]
    if not matrix:
        return
    if reason := uml.missing():
        return context.report.lacking("discs", reason)
    halves(f"{context.work}/discs", matrix, lambda work, half: judge_half(context, work, half))


def judge_half(context, work, matrix):
    os.makedirs(work)
    sources = kernel.Sources(work)
    # a boot for so many of them: their states take room
    for first in range(0, len(matrix), BATCH):
        discs = [Disc(context, sources, work, *config) for config in matrix[first:first + BATCH]]
        for disc in discs:
            disc.make()
        results = uml.mount_all([job for disc in discs for job in disc.jobs()], f"{work}/guest")
        for disc in discs:
            disc.judge(results, f"{work}/guest")
