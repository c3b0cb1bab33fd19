"""What every answer of a pod must keep to, whatever was recorded: ranges and categories. Pure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tidegate.domain.gates.results import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidegate.api.gate import OutputExpectation


def violations(
    where: str, outputs: Mapping[str, Sequence[Any]], expected: Sequence[OutputExpectation]
) -> Iterator[str]:
    """Where the values of an answer's outputs, by name, are not what they must be, in words."""
    for one in expected:
        data = outputs.get(one.name)
        if data is None:
            yield f"{where}, {one.name} is missing in the answer"
            continue
        if not data:
            yield f"{where}, {one.name} has no values"
        for index, value in enumerate(data):
            wrong = _wrong(value, one)
            if wrong:
                yield f"{where}, {one.name}[{index}] is {json.dumps(value)[:60]}, {wrong}"


def _wrong(value: Any, expected: OutputExpectation) -> str:
    """What is wrong with a value; empty when nothing is."""
    if expected.values is not None:
        allowed = any(_is(value, one) for one in expected.values)
        return "" if allowed else f"none of {', '.join(expected.values)[:200]}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "and no number"
    if expected.min is not None and value < expected.min:
        return f"below {number(expected.min)}"
    if expected.max is not None and value > expected.max:
        return f"over {number(expected.max)}"
    return ""


def _is(value: Any, written: str) -> bool:
    """Whether a value of an answer is the one that is written: 1 is 1.0, and "1" is not 1."""
    if isinstance(value, str):
        return value == written
    if isinstance(value, bool):
        return written == json.dumps(value)
    if not isinstance(value, int | float):
        return False
    try:
        return value == float(written)
    except ValueError:
        return False
