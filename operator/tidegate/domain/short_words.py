"""Words of older things in a status, cut to what fits beside all the others. Pure.

A status has a limit. What was cut is told from what is whole, so that the whole words which are
kept elsewhere are not replaced by fewer.
"""

from __future__ import annotations

SHORT_CHARS = 120
"""Characters that older messages keep."""
_CUT = "…"


def short(message: str) -> str:
    """The message in at most `SHORT_CHARS` characters; one that fits is left as it is."""
    if len(message) <= SHORT_CHARS:
        return message
    return message[: SHORT_CHARS - 1] + _CUT


def is_cut(message: str) -> bool:
    """Whether `short` has taken something away from it."""
    return len(message) == SHORT_CHARS and message.endswith(_CUT)
