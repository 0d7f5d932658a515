"""Owns: the judge of `repair`: volumes made by mkudffs and filled by the kernel are damaged and repaired; our check is silent
then, a second repair has nothing to do, and the kernel mounts them and shows what it showed before."""

import os
import shutil

import compare
import foreign
import listing
import trees
import uml
from product import Refused

VOLUMES = [("hd", "2.01", 2048), ("hd", "1.02", 512), ("hd", "1.50", 2048), ("dvdram", "2.01", 2048)]
ANCHOR, INTEGRITY, BITMAP, EXTENDED, PLAIN = 2, 9, 264, 266, 261


def kind(tag):
    """The identifier of a descriptor tag, by its checksum and version; None if it is none."""
    sound = len(tag) == 16 and tag[2] in (2, 3) and (sum(tag) - tag[4]) % 256 == tag[4]
    return int.from_bytes(tag[:2], "little") if sound else None


class Volume:
    """An image as blocks; what is changed is written back."""

    def __init__(self, path, block):
        self.block = block
        with open(path, "rb") as f:
            self.bytes = bytearray(f.read())
        self.path = path

    def number(self, at, length=4):
        return int.from_bytes(self.bytes[at:at + length], "little")

    def find(self, wanted, most=None):
        """Where descriptors of a kind begin, by identifier, checksum and version."""
        found = []
        for at in range(0, len(self.bytes), self.block):
            if kind(self.bytes[at:at + 16]) == wanted:
                found.append(at)
                if len(found) == most:
                    break
        return found

    def fill(self, at, length, byte):
        self.bytes[at:at + length] = bytes([byte]) * length

    def save(self):
        with open(self.path, "wb") as f:
            f.write(self.bytes)


def sequences(volume):
    """The main sequence and the first anchor are lost."""
    anchor = 256 * volume.block
    main = volume.number(anchor + 20) * volume.block
    volume.fill(main, volume.number(anchor + 16), 0xEE)
    volume.fill(anchor, volume.block, 0)


def interrupted(volume):
    """The integrity descriptor is lost and the bitmap is rubbish."""
    for at in volume.find(INTEGRITY):
        volume.fill(at, volume.block, 0)
    [bitmap] = volume.find(BITMAP, most=1)
    volume.fill(bitmap + 24, 100, 0x5A)


def seals(volume):
    """Every third entry of a file has lost its checksum, every other third its CRC's; nothing else."""
    for number, at in enumerate(volume.find(EXTENDED) + volume.find(PLAIN)):
        if number % 3 == 0:
            volume.bytes[at + 4] ^= 0x55
        elif number % 3 == 1 and volume.bytes[at + 34] & 7 != 3 and volume.number(at + 36 + 12, 2) == 1:
            volume.bytes[at + 5] = 7


DAMAGE = (sequences, interrupted, seals)


def judge(context):
    report, work = context.report, f"{context.work}/repair"
    names = {f"{m}-{r}-{b}": (m, r, b) for m, r, b in VOLUMES}
    wanted = {name: how for name, how in names.items() if any(report.wanted(f"repair/{name}/{d.__name__}") for d in DAMAGE)}
    if not wanted:
        return
    if reason := uml.missing():
        return report.lacking("repair", reason)
    if not shutil.which("mkudffs"):
        return report.lacking("repair", "mkudffs is not installed")
    os.makedirs(work)
    trees.plain(f"{work}/source")
    listing.save(listing.walk(f"{work}/source"), f"{work}/source.jsonl")
    fill = ["/usr/bin/python3", f"{uml.LAB}/guest/fill.py", f"{work}/source", f"{work}/source.jsonl"]
    jobs = []
    for name, how in wanted.items():
        image, size = foreign.mkudffs(work, *how)
        jobs.append({"id": name, "image": image, "sector": size, "write": fill})
    truth = mounted(report, jobs, f"{work}/first")
    jobs = [job for name, how in wanted.items() if name in truth for job in damaged(context, work, name, how)]
    shown = mounted(report, jobs, f"{work}/second")
    for job in jobs:
        if job["id"] in shown:
            # Links of directories were the kernel's count, and are the standard's now.
            want = compare.expected(truth[job["volume"]])
            lines = compare.differences(want, shown[job["id"]], skip=("ctime", "nlink"))
            report.verdict(f"repair/{job['volume']}/{job['damage']}/kernel", lines)


def mounted(report, jobs, folder):
    """What the kernel shows, by job."""
    results = uml.mount_all(jobs, folder, per_job=120) if jobs else {}
    shown = {}
    for job in jobs:
        name = job["id"]
        if error := results[name]["error"]:
            report.fail(f"repair/{name}", "the kernel: " + error)
        else:
            shown[name] = listing.load(f"{folder}/results/{name}.jsonl")
    return shown


def damaged(context, work, name, how):
    """Copies of a volume, damaged and repaired."""
    for damage in DAMAGE:
        check = f"repair/{name}/{damage.__name__}"
        if not context.report.wanted(check):
            continue
        image = f"{work}/{name}-{damage.__name__}.udf"
        shutil.copyfile(f"{work}/{name}.udf", image)
        volume = Volume(image, how[2])
        damage(volume)
        volume.save()
        try:
            context.product.run("repair", "--yes", image, status=1)
            context.product.run("repair", "--yes", image, status=0)
            context.product.check(image)
        except Refused as error:
            context.report.fail(check, str(error))
            continue
        context.report.ok(check)
        yield {"id": f"{name}-{damage.__name__}", "image": image, "sector": foreign.sector(how[2]), "volume": name, "damage": damage.__name__}
