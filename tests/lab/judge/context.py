"""Owns: what every judge is handed."""

import concurrent.futures
import dataclasses

from product import Product
from report import Report


@dataclasses.dataclass
class Context:
    report: Report
    product: Product
    work: str        # an empty folder of this run


def halves(work, items, judge):
    """Has both halves of the items judged side by side, each in a folder of its own below `work`."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(judge, f"{work}/{n}", items[n::2]) for n in (0, 1) if items[n::2]]:
            done.result()
