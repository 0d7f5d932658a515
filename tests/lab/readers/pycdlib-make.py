#!/usr/bin/python3
"""pycdlib-make.py FOLDER IMAGE.  Owns: a UDF bridge image made with pycdlib from a folder of plain files and directories."""

import os
import sys

import pycdlib

folder, image = sys.argv[1:]
iso = pycdlib.PyCdlib()
iso.new(interchange_level=3, udf="2.60", vol_ident="PYCDLIB")
directories = files = 0
for at, names, leaves in os.walk(folder):
    inside = os.path.relpath(at, folder)
    inside = "" if inside == "." else "/" + inside
    for name in sorted(names):
        iso.add_directory(udf_path=f"{inside}/{name}")
    for name in sorted(leaves):
        iso.add_file(os.path.join(at, name), udf_path=f"{inside}/{name}")
iso.write(image)
iso.close()
