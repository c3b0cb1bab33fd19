"""Repeats a request until its answer is as a case wants it, or the patience ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.conformance.cases import at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.conformance.targets import Target
    from tests.conformance.wire import Answer

_EMBEDDED_S = 15.0
_REAL_S = 60.0
_STEP_S = 0.1


async def until(
    ask: Callable[[], Awaitable[Answer]], wanted: Mapping[str, Any], target: Target
) -> Answer:
    """The first answer that is as wanted, or the last one.

    :raises ValueError: when the condition is of an unknown form.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + (_EMBEDDED_S if target.embedded else _REAL_S)
    while True:
        answer = await ask()
        if holds(wanted, answer) or loop.time() > end:
            return answer
        await asyncio.sleep(_STEP_S)


def holds(wanted: Mapping[str, Any], answer: Answer) -> bool:
    """Whether an answer is as wanted.

    :raises ValueError: when the condition is of an unknown form.
    """
    if "status" in wanted:
        return bool(answer.status == wanted["status"])
    if "cond" in wanted:
        kind, status = wanted["cond"]
        _, conditions = at(answer.decoded, "/status/conditions")
        return any(c["type"] == kind and c["status"] == status for c in conditions or ())
    if "ptr" in wanted:
        return _at_pointer(wanted, answer.decoded)
    raise ValueError(f"unknown poll condition {dict(wanted)}")


def _at_pointer(wanted: Mapping[str, Any], body: Any) -> bool:
    there, value = at(body, wanted["ptr"])
    if "exists" in wanted:
        return bool(there == wanted["exists"])
    if "eq" in wanted:
        return there and value == wanted["eq"]
    if "ne" in wanted:
        return bool(value != wanted["ne"])
    if "len" in wanted:
        return there and len(value or ()) == wanted["len"]
    raise ValueError(f"unknown poll condition {dict(wanted)}")
