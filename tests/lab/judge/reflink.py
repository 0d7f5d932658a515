"""Owns: the judge of copying nothing: source and image on one file system with shared extents (guest/reflink.sh)."""

import shutil

import place

MIB = 1024


def judge(context):
    report = context.report
    if not report.wanted("reflink"):
        return
    if not shutil.which("mkfs.xfs"):
        return report.lacking("reflink", "xfsprogs is not installed")
    status, output, where = place.run("reflink.sh", context.product.path, str(128 if report.quick or not place.on_host() else MIB),
                                      work=f"{context.work}/reflink")
    if where == "nowhere" or not place.verdicts(report, "reflink", output):
        report.lacking("reflink", f"{where}: status {status}: {output[-300:]}")
