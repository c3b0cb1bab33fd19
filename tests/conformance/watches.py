"""Compares the events of a watch with the recorded ones. Pure.

Bookmarks come by the clock, so their number may differ by what another recording differs by; the
other events must come in the recorded order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance.compare import Rules, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOOKMARK = "BOOKMARK"


def watch_differences(expected: Sequence[Any], got: Sequence[Any], rules: Rules) -> list[str]:
    """Where the events differ, a line each."""
    recorded = [{k: v for k, v in e.items() if k != "t"} for e in expected]
    kinds = [[e.get("type") for e in events] for events in (recorded, got)]
    if _steady(kinds[0]) != _steady(kinds[1]):
        return [f"events: expected {_brief(recorded)}, got {_brief(got)}"]
    wanted, answers = _aligned(recorded, list(got))
    return differences(wanted, answers, rules)


def _steady(kinds: list[Any]) -> list[Any]:
    """The types in order, with one bookmark for any number of them in a row."""
    return [k for i, k in enumerate(kinds) if k != _BOOKMARK or i == 0 or kinds[i - 1] != k]


def _aligned(recorded: list[Any], got: list[Any]) -> tuple[list[Any], list[Any]]:
    """Both without those bookmarks in a row that only one of them has."""
    length = min(len(recorded), len(got))
    if len(recorded) != len(got) and all(e.get("type") == _BOOKMARK for e in recorded[length:]):
        return recorded[:length], got[:length]
    return recorded, got


def _brief(events: Sequence[Any]) -> list[str]:
    return [f"{e.get('type')} {_name(e.get('object') or {})}".strip() for e in events]


def _name(obj: dict[str, Any]) -> str:
    metadata = obj.get("metadata") or {}
    return str(metadata.get("name") or obj.get("message") or "")
