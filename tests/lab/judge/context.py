"""Owns: what every judge is handed."""

import dataclasses

from product import Product
from report import Report


@dataclasses.dataclass
class Context:
    report: Report
    product: Product
    work: str        # an empty folder of this run
