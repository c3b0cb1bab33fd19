"""Resource quantities as numbers: `250m` is 0.25, `1Ki` is 1024. Pure."""

from __future__ import annotations

import re

_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")


def quantity(text: str | float) -> float:
    """Return a resource quantity as a number. Raises ValueError."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None or found.group(2) not in _UNITS:
        raise ValueError(f"{text!r} is no quantity")
    return float(found.group(1)) * _UNITS[found.group(2)]
