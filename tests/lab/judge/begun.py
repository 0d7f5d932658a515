"""Owns: the judge of discs that other programs begin, in the emulated burner: volumes of ours and of mkudffs as images, burnt by cdrskin,
growisofs or xorriso, then grown by us; sessions of ours (create -C) burnt by them; and an ISO 9660 disc, which is refused (guest/begun.sh)."""

import drive
from context import halves

# which program begins which disc; "iso" and "mkudffs" are what cdrskin burns there.  newfs_udf, of udfclient, formats what is written in any
# order; on other discs it writes nothing and says that all is well
DISCS = (("cd-r", "cdrskin"), ("dvd-r", "cdrskin"), ("dvd+r", "growisofs"), ("bd-r", "xorriso"), ("cd-r", "mkudffs"), ("bd-r", "mkudffs"),
         ("cd-r", "iso"), ("dvd+rw", "newfs_udf"), ("bd-re", "newfs_udf"))
QUICK = (("dvd+r", "growisofs"), ("cd-r", "iso"))


def judge(context):
    report = context.report
    discs = [(kind, by) for kind, by in (QUICK if report.quick else DISCS) if report.wanted(f"begun/{kind}-{by}")]
    if not discs:
        return
    if drive.lacking(report, "begun", "xorriso", "cdrskin", "growisofs", "mkudffs", "newfs_udf"):
        return
    stages = f"{context.work}/begun/stages"
    drive.stages(stages)

    def one_after_the_other(work, some):
        for kind, by in some:
            name = f"{kind}-{by}"
            drive.live(context, f"{work}/{name}", (kind, f"begun/{name}"), ["begun.sh", context.product.path, kind, by, stages])
    halves(f"{context.work}/begun", discs, one_after_the_other)
