#!/usr/bin/python3
"""mapper.py WORK PRODUCT KIND, in the guest.  Owns: a volume on a real block device that fails: writes that the device mapper logs, refuses
or drops, sectors that it or a SCSI disk cannot read.  A line a check: "ok NAME" or "FAIL NAME: why".  Leaves WORK/KIND.base, the device
before the change, and WORK/KIND.log, what dm-log-writes has of it."""

import glob
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{os.path.dirname(HERE)}/judge"]
import files  # noqa: E402
import writes  # noqa: E402

SECTOR, BYTES = 2048, 24 << 20
OPTIONS = {"session": (), "rewritable": ("--rewritable", "-r", "2.01"), "metadata": ("--rewritable", "-r", "2.50"), "sparable": ("--layout", "sparable", "-m", "dvd-rw")}
REFUSED, DROPPED = 12, 6
WARNINGS = 3        # the status of what is done as far as it can be


class Wrong(Exception):
    pass


def call(*words, status=0):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    text = done.stdout.decode("utf-8", "replace")
    if "panicked" in text or status is not None and done.returncode != status:
        raise Wrong(f"{' '.join(words[:3])}: exit {done.returncode}: {text[-300:]}")
    return done.returncode, text


def tree(name):
    """Two states of a folder, and what each must show."""
    dice, content = random.Random(7), {}
    for number in range(12):
        content[f"d{number % 3}/f{number}"] = dice.randbytes(1000 + number * 9000)
    content["large"] = dice.randbytes(2_000_000)
    if name == "new":
        content = {path: body for path, body in content.items() if not path.endswith("3")}
        content.update({"d1/f1": b"changed", "new/one": dice.randbytes(500_000), "new/two": b"two"})
    for path, body in content.items():
        files.put(f"/run/{name}", path, body)
    return content


class Bench:
    def __init__(self, work, tool, kind):
        self.work, self.tool, self.kind = work, tool, kind
        self.states = {name: tree(name) for name in ("old", "new")}
        self.disk, self.device = "/run/disk", None

    def attach(self, path):
        return call("losetup", "-f", "--show", "--sector-size", str(SECTOR), path)[1].strip()

    def fresh(self):
        """The device with the old state."""
        if self.device:
            call("losetup", "-d", self.device)
        shutil.copy(f"{self.work}/{self.kind}.base", self.disk)
        self.device = self.attach(self.disk)

    def mapped(self, table):
        call("dmsetup", "create", "bad", "--table", table)
        return "/dev/mapper/bad"

    def unmap(self):
        call("dmsetup", "remove", "--retry", "bad")

    def append(self, device, status=0):
        return call(self.tool, "append", "--mirror", device, "/run/new", status=status)

    def shown(self, device):
        shutil.rmtree("/run/out", ignore_errors=True)
        call(self.tool, "extract", "-q", "-C", "/run/out", device)
        found = files.below("/run/out")
        for name, content in self.states.items():
            if found == content:
                return name
        raise Wrong(f"neither old nor new: {sorted(found)}")

    def recovers(self, device):
        """The next change works, after a repair where the volume says that it needs one."""
        code, text = self.append(device, status=None)
        if code and "repair" in text:
            call(self.tool, "repair", "--yes", "--no-undo", device, status=None)
            code, text = self.append(device, status=None)
        if code:
            raise Wrong(f"the next append: exit {code}: {text[-300:]}")
        if self.shown(device) != "new":
            raise Wrong("the next append shows the old state")
        call(self.tool, "check", device)

    # --- the checks -------------------------------------------------------------------------------------------------------------

    def logged(self):
        with open(self.disk, "wb") as file:
            file.truncate(BYTES)
        self.device = self.attach(self.disk)
        call(self.tool, "create", *OPTIONS[self.kind], "-o", self.device, "/run/old")
        os.sync()
        shutil.copy(self.disk, f"{self.work}/{self.kind}.base")
        with open("/run/log", "wb") as file:
            file.truncate(2 * BYTES)
        log = self.attach("/run/log")
        device = self.mapped(f"0 {BYTES // 512} log-writes {self.device} {log}")
        self.append(device)
        if self.shown(device) != "new":
            raise Wrong("nothing failed, and it is not new")
        self.unmap()
        call("losetup", "-d", log)
        shutil.copy("/run/log", f"{self.work}/{self.kind}.log")
        self.writes = [entry for entry in writes.entries("/run/log") if entry.data]

    def appended(self, after, table):
        """(status, output) of an append under which the device becomes another one when so many writes have been done."""
        device = self.mapped(f"0 {BYTES // 512} linear {self.device} 0")
        stat = glob.glob("/sys/block/dm-*/stat")[0]
        words = [self.tool, "append", "--mirror", device, "/run/new"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            while running.poll() is None:
                with open(stat, encoding="ascii") as counts:
                    if int(counts.read().split()[4]) >= after:
                        break
                time.sleep(0.001)
            call("dmsetup", "suspend", "--noflush", "--nolockfs", "bad")
            call("dmsetup", "load", "bad", "--table", table)
            call("dmsetup", "resume", "bad")
            text = running.communicate(timeout=120)[0]
        self.unmap()
        return running.returncode, text

    def refused(self, number):
        """The device refuses whatever is written where the number-th write goes, from the first one on."""
        self.fresh()
        one = self.writes[number]
        first, end, all_of_it = one.offset // 512, (one.offset + len(one.data)) // 512, BYTES // 512
        parts = [(0, first, f"linear {self.device} 0"), (first, end - first, "error"),
                 (end, all_of_it - end, f"linear {self.device} {end}")]
        code, text = self.appended(1, "\n".join(f"{start} {count} {what}" for start, count, what in parts if count))
        shown = self.shown(self.device)
        if code == 0 and shown != "new":
            raise Wrong(f"it is told to be done, and is not: {text[-300:]}")
        if code and "at byte" not in text:
            raise Wrong(f"it does not say where: {text[-300:]}")
        if code and ("holds what it held before" in text) != (shown == "old"):
            raise Wrong(f"the {shown} state is there, and that is not told: {text[-300:]}")
        self.recovers(self.device)

    def dropped(self, number):
        """The power goes when so many writes have been done: what comes later never arrives."""
        self.fresh()
        self.appended(number, f"0 {BYTES // 512} flakey {self.device} 0 0 3600 1 drop_writes")
        self.shown(self.device)
        self.recovers(self.device)

    def unreadable(self, device, break_it):
        """Some of a file cannot be read: that is told, with its name; all else is there."""
        with open(self.disk, "rb") as file:
            at = file.read().index(self.states["old"]["large"][:64])
        break_it(at // 512 + 400)
        shutil.rmtree("/run/out2", ignore_errors=True)
        code, text = call(self.tool, "extract", "-q", "-C", "/run/out2", device, status=None)
        if code != WARNINGS or '"/large": cannot read' not in text:
            raise Wrong(f"exit {code}, {text[-300:]}")
        whole = {path: body for path, body in files.below("/run/out2").items() if path != "large"}
        if {**whole, "large": self.states["old"]["large"]} != self.states["old"]:
            raise Wrong("what can be read is not what it was")

    def dust(self):
        self.fresh()
        device = self.mapped(f"0 {BYTES // 512} dust {self.device} 0 512")

        def break_it(sector):
            for number in range(8):
                call("dmsetup", "message", "bad", "0", "addbadblock", str(sector + number))
            call("dmsetup", "message", "bad", "0", "enable")
        try:
            self.unreadable(device, break_it)
            self.append(device)
            if self.shown(device) != "new":
                raise Wrong("a change of what can be read does not show")
        finally:
            self.unmap()

    def disk_with_errors(self):
        """scsi_debug: a disk that reports MEDIUM ERROR."""
        with open(f"{self.work}/{self.kind}.base", "rb") as file:
            image = file.read()
        at = (image.index(self.states["old"]["large"][:64]) // 512 + 400) * 512 // SECTOR
        call("modprobe", "sd_mod")
        call("modprobe", "scsi_debug", f"dev_size_mb={BYTES >> 20}", f"sector_size={SECTOR}", f"medium_error_start={at}",
             "medium_error_count=3")
        found = []
        for _ in range(100):
            found = glob.glob("/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*")
            if found and os.path.exists(f"/dev/{os.path.basename(found[0])}"):
                break
            time.sleep(0.05)
        device = f"/dev/{os.path.basename(found[0])}"
        with open(device, "r+b") as file:
            file.write(image)
            os.fsync(file.fileno())

        def break_it(_):
            with open("/sys/bus/pseudo/drivers/scsi_debug/opts", "w", encoding="ascii") as opts:
                opts.write("2")
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as caches:
                caches.write("1")
        self.fresh()
        self.unreadable(device, break_it)


def main():
    work, tool, kind = sys.argv[1:]
    os.environ.update(DM_DISABLE_UDEV="1", TZ="UTC0")
    for module in ("loop", "dm-mod", "dm-log-writes", "dm-flakey", "dm-dust"):
        subprocess.run(["modprobe", module], check=False)
    bench = Bench(work, tool, kind)

    def check(name, what, *words):
        try:
            what(*words)
            print(f"ok {name}")
        except (Wrong, OSError, ValueError, subprocess.SubprocessError) as wrong:
            print(f"FAIL {name}: {' '.join(str(wrong).split())}")
            subprocess.run(["dmsetup", "remove", "--retry", "bad"], stderr=subprocess.DEVNULL, check=False)
            return False
        return True
    if not check("logged", bench.logged):
        return
    count = len(bench.writes)
    for number in sorted({round(step * (count - 1) / (REFUSED - 1)) for step in range(REFUSED)}):
        check(f"refused-{number}", bench.refused, number)
    for number in range(1, DROPPED + 1):
        check(f"dropped-{number}", bench.dropped, number * count // (DROPPED + 1))
    check("dust", bench.dust)
    if kind == "rewritable":
        check("scsi", bench.disk_with_errors)


main()
