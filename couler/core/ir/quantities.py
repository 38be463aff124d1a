"""Kubernetes quantities such as ``512Mi`` as numbers."""

from __future__ import annotations

import re
from functools import lru_cache

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_FACTORS = {"": 1.0, "m": 1e-3, "k": 1e3} | {
    unit + binary: float(base**power)
    for binary, base in (("", 1000), ("i", 1024))
    for power, unit in enumerate("KMGTPE", start=1)
    if unit + binary != "K"
}


@lru_cache(maxsize=1024)
def amount(quantity: str) -> float:
    """The number that a quantity stands for: bytes for memory and storage, cores for CPU.

    Raises:
        ValueError: The text is no quantity.

    >>> amount("512Mi"), amount("1.5G"), amount("500m")
    (536870912.0, 1500000000.0, 0.5)
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity; write a number with a unit, such as '512Mi', '2Gi' or '500M'")
    return float(match[1]) * _FACTORS[match[2] or ""]
