"""How long an expression may run: a bound that is known before it starts.

The engine cannot be stopped, and one process serves everybody. What makes an expression slow is
loops inside loops over what a client sent, so that is what is bounded: the longest collection to
the power of how deep the loops are nested. A real server counts while it evaluates; its limit for
one expression is the same number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tidegate.local.schema.cel_tokens import closing, tokens_of

LIMIT = 1_000_000
EXCEEDED = "operation cancelled: actual cost limit exceeded"
_LOOPS = frozenset(("all", "exists", "exists_one", "map", "filter", "optMap", "bind"))
# These make longer collections of what there is, or look at each of its items for each other.
_GROWING = frozenset(("flatten", "sort", "distinct", "findAll", "split", "isSorted", "intersects",
                      "contains", "equivalent", "indexOf", "lastIndexOf"))  # fmt: skip


class TooExpensive(ValueError):
    """The expression could run for too long on these values."""

    def __init__(self) -> None:
        super().__init__(EXCEEDED)


def check_cost(expression: str, *values: Any) -> None:
    """Refuse to run an expression on values that are too large for it.

    :raises TooExpensive: when it could take too long.
    """
    depth, literal = _shape(expression)
    # One walk over what a body can hold is always affordable.
    if depth < 2:
        return
    longest = max([literal, *(_longest(value) for value in values)])
    if longest**depth > LIMIT:
        raise TooExpensive


@lru_cache(maxsize=2048)
def _shape(expression: str) -> tuple[int, int]:
    """How deep loops are nested at most, and how many tokens there are."""
    tokens = tokens_of(expression)
    ends: list[int] = []
    deepest = growing = 0
    for index, token in enumerate(tokens[:-1]):
        ends = [end for end in ends if end > index]
        if token.kind != "name" or tokens[index + 1].text != "(":
            continue
        growing += token.text in _GROWING
        if token.text in _LOOPS:
            ends.append(closing(tokens, index + 1))
            deepest = max(deepest, len(ends))
    # A chain of two loops is no deeper than one, but what the first made may be longer.
    return (deepest + growing if deepest else min(growing, 1)), len(tokens)


def _longest(value: Any) -> int:
    """The length of the longest list, map or text in a value."""
    longest = 1
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
        elif not isinstance(one, str | bytes):
            continue
        longest = max(longest, len(one))
    return longest
