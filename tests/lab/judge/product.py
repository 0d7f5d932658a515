"""Owns: the command under test: how it is called, and reading what it prints.

Only this file knows the spelling of options and of JSON members; the judges speak of listings (listing.py)."""

import datetime
import json
import os
import re
import subprocess

KINDS = {"file": "file", "regular": "file", "f": "file", "-": "file", "directory": "directory", "dir": "directory", "d": "directory",
         "symlink": "symlink", "link": "symlink", "l": "symlink", "fifo": "fifo", "pipe": "fifo", "p": "fifo", "socket": "socket", "s": "socket",
         "block": "block", "b": "block", "block-device": "block", "char": "char", "c": "char", "character": "char", "char-device": "char"}


class Refused(Exception):
    """The command did not end with the status that it should have."""


class Product:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, *words, status=0, zone=None, timeout=600, text=True):
        """Its standard output; `Refused` when the exit status is not `status` (None: any, and the whole result)."""
        env = dict(os.environ, LC_ALL="C.UTF-8", TZ=zone or "UTC0", RUST_BACKTRACE="0")
        words = [str(w) for w in words]
        try:
            done = subprocess.run([self.path, *words], stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Refused(f"{words[0]}: not done after {timeout} s")
        if status is None:
            return done
        if done.returncode != status:
            error = done.stderr.decode("utf-8", "replace").strip() or done.stdout.decode("utf-8", "replace").strip()
            raise Refused(f"{' '.join(words[:1])}: exit {done.returncode}, not {status}: {error[-400:]}")
        return done.stdout.decode("utf-8", "surrogateescape") if text else done.stdout

    def create(self, image, *sources, revision=None, block=None, medium=None, label=None, options=(), **how):
        words = ["create", "-o", image]
        for option, value in (("--udf-revision", revision), ("--block-size", block), ("--medium", medium), ("--label", label)):
            words += [option, value] if value else []
        return self.run(*words, *options, *sources, **how)

    def append(self, image, *sources, remove=(), options=(), **how):
        gone = [word for path in remove for word in ("--remove", "/" + path)]
        return self.run("append", image, *gone, *options, *sources, **how)

    def info(self, image, *options):
        pairs = (line.partition("=") for line in self.run("info", *options, image).splitlines())
        return {key.strip(): value for key, sign, value in pairs if sign}

    def check(self, image, *options):
        return self.run("check", *options, image)

    def errors(self, image):
        """(rule, message) of each error that `check` finds."""
        done = self.run("check", "--json", image, status=None)
        if done.returncode not in (0, 4):
            raise Refused(f"check: exit {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-200:]}")
        findings = [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]
        return [(f["rule"], f["message"]) for f in findings if f.get("severity") in ("error", "fatal")]

    def sessions(self, image):
        return [json.loads(line) for line in self.run("sessions", "--json", image).splitlines() if line.strip()]

    def extract(self, image, folder, *paths, session=None):
        os.makedirs(folder, exist_ok=True)
        return self.run("extract", *(["--session", session] if session else []), "-C", folder, image, *paths)

    def cat(self, image, path):
        return self.run("cat", image, path, text=False)

    def listing(self, image, session=None):
        """`ls -lR --json` as listing.walk would have it."""
        out = self.run("ls", "-lR", "--json", *(["--session", session] if session else []), image)
        return sorted((entry(json.loads(line)) for line in out.splitlines() if line.strip()), key=lambda e: e["path"])


def entry(record):
    """One object that `ls --json` printed, in our words; members it lacks stay away."""
    def pick(*names):
        return next((record[n] for n in names if record.get(n) is not None), None)
    result = {"path": pick("path", "name").strip("/") or "."}
    if result["path"].startswith("./"):
        result["path"] = result["path"][2:]
    kind = str(pick("type", "kind")).lower()
    result["type"] = KINDS.get(kind, kind)
    result["mode"] = mode(pick("mode", "permissions"))
    links = pick("links", "nlink", "link_count")
    if result["type"] == "directory" and links is not None:
        links += 1      # as POSIX and the kernel count
    result.update(uid=pick("uid"), gid=pick("gid"), size=pick("size", "bytes"), nlink=links)
    for name, others in (("mtime", ("modified",)), ("atime", ("accessed",)), ("ctime", ("changed", "attribute_time")), ("btime", ("created", "birth"))):
        if (value := pick(name, *others)) is not None:
            result[name] = stamp(value)
    if result["type"] == "symlink":
        result["target"] = pick("target", "link_target")
    if result["type"] in ("block", "char"):
        device = pick("rdev", "device")
        if isinstance(device, dict):
            device = f"{device['major']}:{device['minor']}"
        elif isinstance(device, list):
            device = f"{device[0]}:{device[1]}"
        elif device is None:
            device = f"{pick('major')}:{pick('minor')}"
        result["rdev"] = re.sub(r"[, ]+", ":", str(device))
    if (inode := pick("ino", "inode", "icb", "unique_id")) is not None:
        result["ino"] = str(inode)
    return {key: value for key, value in result.items() if value is not None}


def mode(value):
    """A number, octal digits, or letters as of ls."""
    if value is None or isinstance(value, int):
        return value if value is None else value & 0o7777
    if re.fullmatch(r"(0o)?[0-7]+", value):
        return int(value.removeprefix("0o"), 8) & 0o7777
    letters, bits = value[-9:], 0
    for n, letter in enumerate(letters):
        if letter not in "-ST":
            bits |= 0o400 >> n
        if letter in "sStT":
            bits |= 0o4000 >> (n // 3)
    return bits


def stamp(value):
    """RFC 3339 -> whole microseconds since 1970."""
    if isinstance(value, (int, float)):
        return round(value * 1_000_000)
    day, clock, fraction, zone = re.fullmatch(r"([-+\d]+)[T ](\d+:\d+:\d+)(\.\d+)?(Z|[-+]\d+:?\d+)?", value).groups()
    whole = datetime.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=datetime.timezone.utc)
    seconds = (whole - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(seconds=1)
    if zone and zone != "Z":
        sign = -1 if zone[0] == "-" else 1
        seconds -= sign * (int(zone[1:3]) * 60 + int(zone[-2:])) * 60
    return seconds * 1_000_000 + int((fraction or ".0")[1:].ljust(6, "0")[:6])
