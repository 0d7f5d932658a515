#!/usr/bin/python3
"""fill.py SOURCE LISTING POINT, in the guest.  Owns: copying a tree onto a volume that the kernel has mounted.

Times come from LISTING, because the guest sees the host's files with whole seconds only."""

import json
import os
import subprocess
import sys

source, listing, point = sys.argv[1:]
copy = subprocess.run(["cp", "-a", "--sparse=always", source + "/.", point], capture_output=True, text=True)
if copy.returncode:
    sys.exit(copy.stderr[-300:])
for line in reversed(open(listing).readlines()):
    entry = json.loads(line)
    path = os.path.join(os.fsencode(point), entry["path"].encode("utf-8", "surrogateescape"))
    os.utime(path, ns=(entry["atime"] * 1000, entry["mtime"] * 1000), follow_symlinks=False)
