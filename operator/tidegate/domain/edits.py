"""Where two specs differ, field by field, as a person would say it. Pure; judges nothing.

Entries of a list are told apart by their `name` where all have one, else by their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

type Change = tuple[Any, Any]
"""(now, then). None: the field is not there."""


def differences(before: Any, after: Any, path: str = "") -> list[tuple[str, Change]]:
    """Single values that differ, by path (`analysis.metrics[errors].margin.ratio`).

    What is added or taken away is told value by value too. A list of plain values is one value.
    """
    if before == after:
        return []
    if _is_mapping(before, after):
        return [
            each
            for key in dict.fromkeys((*sorted(before or {}), *sorted(after or {})))
            for each in differences(
                (before or {}).get(key), (after or {}).get(key), f"{path}.{key}" if path else key
            )
        ]
    if _is_list_of_mappings(before, after):
        return _in_lists(before or [], after or [], path)
    return [(path, (before, after))]


def _in_lists(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], path: str
) -> list[tuple[str, Change]]:
    named = _named(before, after)
    old, new = _by_key(before, named=named), _by_key(after, named=named)
    found = [
        each
        for key in dict.fromkeys((*old, *new))
        for each in differences(old.get(key), new.get(key), f"{path}[{key}]")
    ]
    kept = ([key for key in old if key in new], [key for key in new if key in old])
    # The order is a value of its own: of a signature it is part of what a revision is.
    return found if kept[0] == kept[1] else [*found, (path, kept)]


def _by_key(entries: Sequence[dict[str, Any]], *, named: bool) -> dict[str, dict[str, Any]]:
    return {str(one["name"] if named else place): one for place, one in enumerate(entries)}


def _named(*lists: Sequence[dict[str, Any]]) -> bool:
    """Whether each list tells its entries apart by their names."""
    return all(len({one.get("name") for one in each} - {None}) == len(each) for each in lists)


def _is_mapping(before: Any, after: Any) -> bool:
    """Whether there are fields to compare; an empty mapping that comes or goes is a value."""
    given = [one for one in (before, after) if one is not None]
    return all(isinstance(one, dict) for one in given) and any(given)


def _is_list_of_mappings(before: Any, after: Any) -> bool:
    given = [one for one in (before, after) if one is not None]
    entries = [entry for one in given if isinstance(one, list) for entry in one]
    return (
        all(isinstance(one, list) for one in given)
        and bool(entries)
        and all(isinstance(entry, dict) for entry in entries)
    )
