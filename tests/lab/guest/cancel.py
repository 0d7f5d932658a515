"""cancel.py LOG COUNT COMMAND..., in a guest with a burner.  Owns: a command that is asked to stop (SIGINT) as soon as the burner's log has
COUNT writes more; its status is that of the command."""

import os
import signal
import subprocess
import sys
import time

log, count, words = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
with open(log, "rb") as lines:
    lines.seek(0, os.SEEK_END)
    with subprocess.Popen(words) as running:
        while count > 0 and running.poll() is None:
            line = lines.readline()
            count -= line.startswith(b"2a")
            if not line:
                time.sleep(0.002)
        running.send_signal(signal.SIGINT)
sys.exit(running.returncode)
