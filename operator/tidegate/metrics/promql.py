"""Pieces of PromQL from untrusted words: every value is quoted, none is ever pasted in.

Owns escaping. It knows no metric and sends nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

_RE2_SPECIAL = frozenset(r"\.+*?()|[]{}^$")
_ESCAPES = {"\\": "\\\\", "\n": "\\n"}


def inside_quotes(value: str, quote: str) -> str:
    """The value as it stands inside a PromQL string that `quote` (" or ') begins and ends."""
    return "".join(f"\\{char}" if char == quote else _ESCAPES.get(char, char) for char in value)


def quoted(value: str) -> str:
    """The value as a PromQL string in double quotes."""
    return f'"{inside_quotes(value, chr(34))}"'


def is_exactly(label: str, value: str) -> str:
    """A matcher of one value; `label` is one of ours, never a user's word."""
    return f"{label}={quoted(value)}"


def is_one_of(label: str, values: Iterable[str]) -> str:
    """A matcher of any of these values, taken literally."""
    return f"{label}=~{quoted('|'.join(literal(value) for value in values))}"


def literal(value: str) -> str:
    """An RE2 expression that matches the value and nothing else."""
    return "".join(f"\\{char}" if char in _RE2_SPECIAL else char for char in value)


def duration(span: timedelta) -> str:
    """A PromQL duration, rounded up to whole milliseconds."""
    return f"{math.ceil(span.total_seconds() * 1000)}ms"
