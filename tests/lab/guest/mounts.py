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

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../judge"]
import driver  # noqa: E402
import listing  # noqa: E402

POINT = "/run/m"
PATIENCE = 240    # seconds for one mount and one walk


def mount(job, device, writable):
    driver.mount(device, POINT, job.get("options", ""), writable, job.get("type", "udf"))
    if writable and not os.access(POINT, os.W_OK):
        raise OSError("mounted read-only")


def fill(job, device):
    """Has the volume written to, as the job says."""
    mount(job, device, True)
    try:
        done = subprocess.run([*job["write"], POINT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        driver.umount(POINT)
    if done.returncode:
        raise OSError(done.stdout.decode("utf-8", "replace").strip()[-300:])


def look(job, device, path):
    """The listing goes to the path; the facts are returned."""
    mount(job, device, False)
    try:
        listing.save(listing.walk(POINT), path)
        facts = os.statvfs(POINT)
        return {"blocks": facts.f_blocks, "free": facts.f_bfree, "block": facts.f_bsize}
    finally:
        driver.umount(POINT)


def aside(act, seconds):
    """What it returns, from a process of its own, with an end: a directory that never ends must not take the other jobs with it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        signal.alarm(seconds)
        try:
            answer = {"facts": act()}
        except BaseException as error:
            answer = {"error": (error.args[-1] if isinstance(error, OSError) and error.args else None) or repr(error)}
        os.write(theirs, json.dumps(answer).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        answer = pipe.read()
    if os.waitpid(child, 0)[1] or not answer:
        if os.path.ismount(POINT):
            driver.umount(POINT)
        raise OSError("hangs while it is mounted or listed")
    answer = json.loads(answer)
    if "error" in answer:
        raise OSError(str(answer["error"]))
    return answer["facts"]


def do(job, results):
    result = {"error": None}
    device = None
    driver.clear_log()
    try:
        device = job.get("device") or driver.attach(job["image"], job.get("sector", 2048), bool(job.get("write")))
        if job.get("write"):
            aside(lambda: fill(job, device), 3 * PATIENCE)
        result.update(aside(lambda: look(job, device, f"{results}/{job['id']}.jsonl"), PATIENCE))
    except OSError as error:
        result["error"] = str(error.args[-1])
    finally:
        if device and not job.get("device"):
            driver.detach(device)
    result["dmesg"] = driver.log()
    if not result["error"] and any(word in result["dmesg"] for word in ("BUG:", "WARNING:", "Oops", "Call Trace")):
        result["error"] = "the kernel warns: " + result["dmesg"][-300:]
    return result


def main():
    jobs, results = sys.argv[1:]
    for module in ("loop", "udf", "nls_utf8"):
        subprocess.run(["modprobe", module], check=False)
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
