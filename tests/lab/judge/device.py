"""Owns: the judge of block devices: guest/device.sh makes volumes on loop devices of three sector sizes, the kernel reads
them back from the files behind."""

import os
import shutil

import compare
import listing
import place
import trees
import uml

SECTORS = (512, 2048, 4096)


def judge(context):
    report, work = context.report, f"{context.work}/device"
    if not report.wanted("device"):
        return
    if not shutil.which("mkfs.ext4"):
        return report.lacking("device", "e2fsprogs is not installed")
    sources = [f"{work}/plain", f"{work}/plain_additions"]
    trees.plain(sources[0])
    trees.plain_additions(sources[1])
    first, added = (listing.walk(root) for root in sources)
    wants = {"created": compare.expected(first), "appended": compare.expected(compare.overlay(first, added))}
    status, output, where = place.run("device.sh", context.product.path, *sources, work=work)
    if where == "nowhere" or not place.verdicts(report, "device", output):
        return report.lacking("device", f"{where}: status {status}: {output[-300:]}")
    if status:
        report.lacking("device", f"{where}: the script ended early: {output[-300:]}")
    if reason := uml.missing():
        return report.lacking("device/kernel", reason)
    jobs = [{"id": f"{state}-{sector}", "image": f"{work}/disk-{sector}-{state}.udf", "sector": sector}
            for sector in SECTORS for state in wants if os.path.exists(f"{work}/disk-{sector}-{state}.udf")]
    results = uml.mount_all(jobs, f"{work}/guest")
    for job in jobs:
        result = results[job["id"]]
        if result["error"]:
            report.fail(f"device/kernel-{job['id']}", f"{result['error']}; {result.get('dmesg', '')[-300:]}")
            continue
        got = listing.load(f"{work}/guest/results/{job['id']}.jsonl")
        report.verdict(f"device/kernel-{job['id']}", compare.differences(wants[job["id"].split("-")[0]], got, skip={"atime"}))
