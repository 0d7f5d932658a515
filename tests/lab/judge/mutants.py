"""Owns: a thousand damaged volumes, each made from a sound one by a seed, with the checksums right again: every command ends
on each of them, with a documented status, in bounded time and memory, and what repair says it did is true."""

import concurrent.futures
import os
import random
import resource
import shutil
import subprocess

import foreign
import trees
from product import Refused
from repair import kind

MUTANTS, USUAL, QUICK = 1000, 400, 100
SECONDS, MEMORY = 60, 2 << 30       # of one command on a volume of a few MiB
MOST_EXTRACTED = "64M"
NUMBERS = (0, 1, 2, 255, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x3FFF_FFFF, 0x8000_0000, 2048, 512, 256)
KINDS = set(range(1, 10)) | set(range(256, 267))
STATUS = {"ls": {0, 1}, "extract": {0, 1, 3}, "check": {0, 4, 8}, "repair": {0, 1, 4, 8}, "append": {0, 1, 3}, "rescue": {0, 1, 3}}


def table():
    for value in range(256):
        crc = value << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
        yield crc


CRC = list(table())


def crc(data):
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ CRC[value >> 8 ^ byte]
    return value


class Mutant:
    def __init__(self, data, block, seed):
        self.data, self.block, self.dice = bytearray(data), block, random.Random(seed)
        self.descriptors = [at for at in range(0, len(data), block) if kind(self.data[at:at + 16]) in KINDS]


    def seal(self, at):
        """Makes the checksums of what begins there right."""
        if at + 16 > len(self.data):
            return
        length = int.from_bytes(self.data[at + 10:at + 12], "little")
        self.data[at + 8:at + 10] = crc(self.data[at + 16:at + 16 + length]).to_bytes(2, "little")
        self.data[at + 4] = (sum(self.data[at:at + 16]) - self.data[at + 4]) % 256

    def put(self, at, value):
        self.data[at:at + len(value)] = value[:max(0, len(self.data) - at)]

    def field(self):
        """A field of a descriptor: a number that is too small, too large or stands elsewhere."""
        at = self.dice.choice(self.descriptors)
        length = 16 + min(int.from_bytes(self.data[at + 10:at + 12], "little"), self.block - 16)
        offset = self.dice.randrange(16, max(length, 17))
        width = self.dice.choice((1, 2, 4, 8))
        value = self.dice.choice(NUMBERS + (self.dice.choice(self.descriptors) // self.block, self.dice.getrandbits(32)))
        self.put(at + offset, (value % (1 << 8 * width)).to_bytes(width, "little"))
        self.seal(at)

    def bits(self):
        at = self.dice.choice(self.descriptors)
        self.data[at + self.dice.randrange(self.block)] ^= 1 << self.dice.randrange(8)
        if self.dice.random() < 0.7:
            self.seal(at)

    def location(self):
        """A descriptor says that it lies elsewhere, or has another kind."""
        at = self.dice.choice(self.descriptors)
        if self.dice.random() < 0.5:
            self.put(at + 12, self.dice.choice(NUMBERS).to_bytes(4, "little"))
        else:
            self.put(at, self.dice.choice(sorted(KINDS)).to_bytes(2, "little"))
        self.seal(at)

    def lost(self):
        at = self.dice.choice(self.descriptors)
        self.put(at, bytes([self.dice.choice((0, 0xFF, 0x5A))]) * self.block)

    def copied(self):
        """A descriptor lies where another one was, and says so."""
        source, target = self.dice.choice(self.descriptors), self.dice.choice(self.descriptors)
        location = self.data[target + 12:target + 16]
        self.put(target, self.data[source:source + self.block])
        self.put(target + 12, location)
        self.seal(target)

    def short(self):
        del self.data[self.dice.randrange(len(self.data) // 2, len(self.data)) // self.block * self.block:]
        self.descriptors = [at for at in self.descriptors if at + self.block <= len(self.data)]

    def mutate(self):
        for _ in range(self.dice.choice((1, 1, 1, 2, 3, 8))):
            how = self.dice.choices((self.field, self.bits, self.location, self.lost, self.copied, self.short), (10, 4, 2, 2, 2, 0.3))[0]
            how()
        return self.data


def seeds(context, work):
    """(name, block size, bytes) of sound volumes of every kind."""
    source = f"{work}/source"
    trees.plain(source)
    for name in os.listdir(f"{source}/many")[20:] if os.path.isdir(f"{source}/many") else ():
        os.unlink(f"{source}/many/{name}")
    for revision in ("1.02", "1.50", "2.00", "2.01", "2.50", "2.60"):
        for block in (512, 2048):
            image = f"{work}/ours.udf"
            context.product.create(image, source, revision=revision, block=block, options=("--force",))
            context.product.append(image, f"more={source}")
            yield f"ours-{revision}-{block}", block, take(image)
    for revision, medium in (("1.50", "cd-r"), ("2.01", "dvd-r"), ("2.50", "bd-r"), ("2.60", "bd-r")):
        image = f"{work}/disc.img"
        context.product.create(image, source, revision=revision, medium=medium)
        context.product.append(image, f"more={source}")
        os.unlink(f"{image}.media")
        yield f"disc-{revision}", 2048, take(image)
    for medium, revision, block, options in (("hd", "1.02", 512, []), ("hd", "2.01", 2048, []), ("cdrw", "1.50", 2048, []), ("cdrw", "2.01", 512, []),
                                             ("dvdr", "2.01", 2048, []), ("bdr", "2.50", 2048, []), ("dvdram", "2.01", 2048, ["--space=unalloctable"]),
                                             ("hd", "2.00", 1024, ["--strategy=4096"])):
        image, _ = foreign.mkudffs(work, medium, revision, block, (8 << 20) // block, options)
        yield f"mkudffs-{medium}-{revision}-{block}", block, take(image)
    image, _ = foreign.genisoimage(work, source)
    yield "genisoimage", 2048, take(image)


def take(image):
    with open(image, "rb") as f:
        data = f.read()
    os.unlink(image)
    return data


def judge(context):
    report = context.report
    if not report.wanted("mutants"):
        return
    missing = [tool for tool in ("mkudffs", "genisoimage") if not shutil.which(tool)]
    if missing:
        return report.lacking("mutants", f"{', '.join(missing)}: not installed")
    work = f"{context.work}/mutants"
    os.makedirs(work)
    volumes = list(seeds(context, work))
    count = QUICK if report.quick else MUTANTS if report.full else USUAL
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lines = [line for found in pool.map(lambda seed: one(context, work, volumes, seed), range(count)) for line in found]
    report.verdict(f"mutants ({count} of {len(volumes)} volumes)", lines, limit=12)


def one(context, work, volumes, seed):
    name, block, data = volumes[seed % len(volumes)]
    folder = f"{work}/{seed}"
    os.makedirs(folder)
    image = f"{folder}/volume.udf"
    with open(image, "wb") as f:
        f.write(Mutant(data, block, seed).mutate())
    lines = list(commands(context, folder, image))
    if lines and context.report.keep:
        os.rename(image, f"{context.report.keep}/mutant-{seed}.udf")
    shutil.rmtree(folder)
    return [f"mutant {seed} of {name}: {line}" for line in lines]


def commands(context, folder, image):
    run = lambda *words: bounded(context.product.path, words)      # noqa: E731
    copy = f"{folder}/copy.udf"
    source = f"{folder}/source"
    os.makedirs(source)
    with open(f"{source}/what is appended", "wb") as f:
        f.write(b"new" * 1000)
    yield from run("ls", "-lR", image)[0]
    yield from run("extract", "--max-size", MOST_EXTRACTED, "-C", f"{folder}/extracted", image)[0]
    troubles, was_clean = run("check", image)
    yield from troubles
    shutil.copyfile(image, copy)
    troubles, status = run("repair", "--yes", copy)
    yield from troubles
    if status in (0, 1) and (left := errors(context.product, copy)):
        yield f"repair ended with {status}, and check finds {left}"
    shutil.copyfile(image, copy)
    troubles, status = run("append", copy, source)
    yield from troubles
    if status == 0:
        if was_clean == 0 and (found := errors(context.product, copy)):
            yield f"a sound volume was appended to, and check finds {found}"
        try:
            if context.product.cat(copy, "/what is appended") != b"new" * 1000:
                yield "what was appended has other contents"
        except Refused as error:
            yield f"what was appended: {error}"


def errors(product, image):
    try:
        return " ".join(sorted({rule for rule, _ in product.errors(image)}))
    except Refused as error:
        return str(error)


def bounded(path, words):
    """([what is wrong with how it ended], its status)"""
    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        done = subprocess.run([path, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, preexec_fn=limits,
                              env=dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC0", RAYON_NUM_THREADS="2"))
    except subprocess.TimeoutExpired:
        return [f"{words[0]}: not done after {SECONDS} s"], None
    error = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode not in STATUS[words[0]] or "panicked" in error:
        return [f"{words[0]}: exit {done.returncode}: {error[-300:]}"], done.returncode
    return [], done.returncode
