#!/usr/bin/python3
"""mounts.py JOBS RESULTS, in the guest.  Owns: mounting each image with the kernel's driver and writing down what it shows.

A job: id, image, sector (of the loop device), and optionally options (of mount), type (udf), write (mount read-write and
first run that command with the mount point as its last argument), device (no loop: mount this).
Result RESULTS/ID.json: error (None is well), dmesg, blocks and free of statfs; the listing is RESULTS/ID.jsonl."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "judge"))
import listing  # noqa: E402

POINT = "/run/m"
PATIENCE = 120    # seconds for one mount, one walk


def run(*words, seconds=PATIENCE):
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds)
        return done.returncode, done.stdout.decode("utf-8", "replace").strip()
    except subprocess.TimeoutExpired:
        return 124, "hangs"


def attach(job):
    words = ["losetup", "-f", "--show", "--sector-size", str(job.get("sector", 2048))]
    status, out = run(*words, *([] if job.get("write") else ["-r"]), job["image"])
    if status:
        raise RuntimeError("losetup: " + out)
    return out


def mount(job, device, writable):
    options = ",".join(filter(None, ["rw" if writable else "ro", job.get("options")]))
    status, out = run("mount", "-t", job.get("type", "udf"), "-o", options, device, POINT)
    if status:
        raise RuntimeError(out or f"mount: status {status}")
    if writable and not os.access(POINT, os.W_OK):
        raise RuntimeError("mounted read-only")


def walk(path):
    """In a process of its own, with an end: a directory that never ends must not take the other jobs with it."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            listing.save(listing.walk(POINT), path)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if status:
        raise RuntimeError("hangs while it is listed" if os.WIFSIGNALED(status) else "cannot be listed")


def do(job, results):
    result = {"error": None}
    device = None
    run("dmesg", "-C")
    try:
        device = job.get("device") or attach(job)
        if job.get("write"):
            mount(job, device, True)
            status, out = run(*job["write"], POINT, seconds=3 * PATIENCE)
            unmounted = run("umount", POINT)
            if status or unmounted[0]:
                raise RuntimeError((out or unmounted[1])[-300:])
        mount(job, device, False)
        try:
            walk(f"{results}/{job['id']}.jsonl")
            facts = os.statvfs(POINT)
            result.update(blocks=facts.f_blocks, free=facts.f_bfree, block=facts.f_bsize)
        finally:
            status, out = run("umount", POINT)
        if status:
            raise RuntimeError("umount: " + out)
    except RuntimeError as error:
        result["error"] = str(error)
    finally:
        if device and not job.get("device"):
            run("losetup", "-d", device)
    result["dmesg"] = run("dmesg", "-t")[1]
    if not result["error"] and any(word in result["dmesg"] for word in ("BUG:", "WARNING:", "Oops", "Call Trace")):
        result["error"] = "the kernel warns: " + result["dmesg"][-300:]
    return result


def main():
    jobs, results = sys.argv[1:]
    for module in ("loop", "udf", "nls_utf8"):
        run("modprobe", module)
    with open(jobs) as f:
        todo = json.load(f)
    for job in todo:
        with open(f"{results}/started", "w") as f:
            f.write(job["id"])
        result = do(job, results)
        with open(f"{results}/{job['id']}.new", "w") as f:
            json.dump(result, f)
        os.rename(f"{results}/{job['id']}.new", f"{results}/{job['id']}.json")


main()
