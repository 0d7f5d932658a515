"""Owns: starting User-mode Linux on the host's root and running one command in it."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KERNEL = shutil.which("linux.uml") or "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules"


def missing():
    """Why a guest cannot be started here, or None."""
    if not os.access(KERNEL, os.X_OK) or not os.path.isdir(MODULES):
        return "user-mode-linux is not installed"
    if not os.path.exists("/bin/busybox"):
        return "busybox is not installed"
    if not shutil.which("modprobe", path="/sbin:/usr/sbin:/bin:/usr/bin"):
        return "kmod is not installed"
    return None


def _namespace():
    """A PID namespace makes clean-up certain: with its first process every helper of the guest goes.

    The guest itself must not be that first process (its abort() would have no effect), hence the shell."""
    wrap = ["unshare", "-p", "-f", "--kill-child=KILL"]
    if subprocess.run(wrap + ["true"], capture_output=True).returncode == 0:
        return wrap + ["sh", "-c", '"$@"; exit $?', "guest"]
    return []


def run(command, work, rw=(), timeout=300, memory="512M"):
    """Runs `command` as root in a fresh guest; (status, output).  `work` and the folders `rw` are writable in it.

    status: the command's, 124 out of time, 125 the kernel ended without a result."""
    os.makedirs(work, exist_ok=True)
    for name in ("status", "status.new", "output", "dmesg"):
        if os.path.exists(f"{work}/{name}"):
            os.unlink(f"{work}/{name}")
    with open(f"{work}/command", "w") as f:
        f.write(" ".join(shlex.quote(str(word)) for word in command) + "\n")
    sockets = tempfile.mkdtemp(prefix="uml.")
    guest = [KERNEL, f"mem={memory}", f"uml_dir={sockets}", "umid=g", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
             f"init={LAB}/guest/init", f"LAB_WORK={work}", "LAB_RW=" + ":".join(rw), "con=null", "con0=null,fd:1", "ssl=null"]
    env = dict(os.environ, TMPDIR="/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    late = False
    with open(f"{work}/console", "wb") as console:
        process = subprocess.Popen(_namespace() + guest, stdin=subprocess.DEVNULL, stdout=console,
                                   stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    shutil.rmtree(sockets, ignore_errors=True)
    output = _text(f"{work}/output")
    if os.path.exists(f"{work}/status"):
        return int(_text(f"{work}/status")), output
    return (124 if late else 125), output + "\n" + _text(f"{work}/console")[-2000:]


def _text(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def mount_all(jobs, work, per_job=60):
    """Has the guest mount and list every job; returns {id: result}, see guest/mounts.py for both.

    One boot serves all of them, unless an image kills or hangs the kernel: the rest then get a new one.  On a busy machine a
    guest may only have been slow: what hangs is tried once more."""
    os.makedirs(f"{work}/results", exist_ok=True)
    left = list(jobs)
    results, again = {}, set()
    while left:
        with open(f"{work}/jobs.json", "w") as f:
            json.dump(left, f)
        folders = sorted({os.path.dirname(job["image"]) for job in left if job.get("write")})
        status, output = run(["/usr/bin/python3", f"{LAB}/guest/mounts.py", f"{work}/jobs.json", f"{work}/results"],
                             work, folders, timeout=60 + per_job * min(len(left), 8))
        before = len(left)
        for job in left:
            path = f"{work}/results/{job['id']}.json"
            if os.path.exists(path):
                with open(path) as f:
                    results[job["id"]] = json.load(f)
        started = _text(f"{work}/results/started").strip()
        left = [job for job in left if job["id"] not in results]
        if left and status == 124 and started not in again:
            again.add(started)
            continue
        if left and started == left[0]["id"]:
            what = "hangs" if status == 124 else "crashes"
            results[started] = {"error": f"the kernel {what}: {output[-300:]}"}
            left = left[1:]
        if len(left) == before:
            for job in left:
                results[job["id"]] = {"error": f"the guest did not start ({status}): {output[-300:]}"}
            break
    return results
