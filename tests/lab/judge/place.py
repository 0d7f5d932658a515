"""Owns: where a script that needs loop devices and mounts is run: on the host when it may, else in the guest."""

import functools
import os
import subprocess

import uml


@functools.lru_cache(None)
def on_host():
    """Can this host attach a loop device and mount what is on it?  Tried, in a mount name space of its own."""
    script = """set -e; d=$(mktemp -d); trap 'losetup -d "$l" 2>/dev/null; rm -rf "$d"' EXIT
        truncate -s 400M "$d/x"; mkfs.xfs -q "$d/x"; l=$(losetup -f --show "$d/x"); mkdir "$d/m"
        mount -t xfs "$l" "$d/m"; umount "$d/m" """
    return subprocess.run(["unshare", "-m", "bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def run(script, *words, work, timeout=300):
    """(status, output, where) of a script of guest/; its first argument is `work`, which it may write to."""
    command = ["bash", f"{uml.LAB}/guest/{script}", work, *words]
    os.makedirs(work, exist_ok=True)
    if on_host():
        try:
            done = subprocess.run(["unshare", "-m", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout, env=dict(os.environ, LC_ALL="C.UTF-8"))
            return done.returncode, done.stdout.decode("utf-8", "replace"), "host"
        except subprocess.TimeoutExpired as late:
            return 124, (late.output or b"").decode("utf-8", "replace"), "host"
    if reason := uml.missing():
        return None, reason, "nowhere"
    status, output = uml.run(command, work, timeout=timeout)
    return status, output, "guest"


def verdicts(report, prefix, output):
    """Passes on the lines "ok NAME" and "FAIL NAME: why" that a script printed; how many there were."""
    count = 0
    for line in output.splitlines():
        verdict, _, rest = line.partition(" ")
        name, _, why = rest.partition(": ")
        if verdict == "ok":
            report.ok(f"{prefix}/{name}")
        elif verdict == "FAIL":
            report.fail(f"{prefix}/{name}", why)
        count += verdict in ("ok", "FAIL")
    return count
