"""Amounts as Kubernetes writes them, in bytes."""

from __future__ import annotations

import re

_UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def bytes_of(quantity: str) -> int:
    """`16Mi` as 16777216; part of a byte is rounded up.

    :raises ValueError: it is no amount of bytes.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(k|Ki|M|Mi|G|Gi|T|Ti)?", quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no amount of bytes: write it like 16Mi")
    amount = float(found[1]) * _UNITS[found[2] or ""]
    return int(-(-amount // 1))
