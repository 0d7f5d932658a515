"""Owns: the judge of our own reading commands: info, check, ls, extract on an image whose contents are known."""

import os
import shutil

import compare
import listing
from product import Refused

LABEL = "Lab é中"


def least_read(revision):
    """What udfinfo calls the revision is the least one that a reader must know: 2.50 on volumes of 2.60 (UDF 2.2.6.4)."""
    return "2.50" if revision == "2.60" else revision


def judge(volume, name, image, want, thorough):
    """One verdict a command; extraction only when `thorough`."""
    for command in (info, check, ls) + ((extract,) if thorough else ()):
        try:
            lines = command(volume, image, want)
        except (Refused, ValueError, KeyError, AttributeError, TypeError) as error:
            lines = [f"{type(error).__name__}: {error}"]
        volume.report.verdict(f"{name}/{command.__name__}", lines)


def info(volume, image, want):
    got = volume.product.info(image)
    want = {"udfrev": least_read(volume.revision), "blocksize": str(volume.block), "label": LABEL}
    return [f"{key} is {got.get(key)}, not {value}" for key, value in want.items() if got.get(key) != value]


def check(volume, image, want):
    volume.product.check(image)
    return []


def ls(volume, image, want):
    return listed(want, volume.product.listing(image))


def listed(want, got):
    """Differences of our own `ls`, which need not show the root and has no contents."""
    known = set().union(*got) if got else set()
    if not any(e["path"] == "." for e in got):
        want = [e for e in want if e["path"] != "."]
    return compare.differences(want, got, {"sha256", "group"} | ({"atime", "ctime", "rdev", "nlink"} - known))


def extract(volume, image, want):
    folder = f"{os.path.dirname(image)}/extracted"
    volume.product.extract(image, folder)
    got = compare.expected(listing.walk(folder))
    shutil.rmtree(folder)
    return compare.differences(want, got, skip={"atime", "ctime"})
