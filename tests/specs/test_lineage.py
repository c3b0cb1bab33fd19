"""What is kept of revisions, and what is forgotten when there is no room."""

from __future__ import annotations

from typing import Any

from tidegate.specs.lineage import LIMIT_BYTES, by_revision, entries, forgotten


def test_what_is_kept_can_be_read_again() -> None:
    parts: dict[str, dict[str, Any]] = {"made": {"number": 3}, "origin": {"run": "r"}}
    configmap = {"data": entries("flights-0123abcd", parts)}
    assert by_revision(configmap) == {"flights-0123abcd": parts}


def test_what_is_no_entry_is_left_out() -> None:
    configmap = {"data": {"a.made": "no json", "b.made": "[]", "note": "{}", "c.made": "{}"}}
    assert by_revision(configmap) == {"c": {"made": {}}}
    assert by_revision({}) == {}


def test_the_oldest_are_forgotten_when_there_is_no_room_and_the_newest_never() -> None:
    large = "x" * (LIMIT_BYTES // 10)
    data: dict[str, str] = {}
    for number in range(12):
        data |= entries(f"flights-{number}", {"made": {"number": number, "note": large}})
    gone = forgotten({"data": data})
    left = {key: text for key, text in data.items() if key not in gone}
    assert sorted(gone) == sorted(f"flights-{number}.made" for number in range(len(gone)))
    assert sum(map(len, left.values())) <= LIMIT_BYTES * 3 // 4
    assert forgotten({"data": left}) == {}
    one = entries("flights-1", {"made": {"note": "x" * 2 * LIMIT_BYTES}})
    assert forgotten({"data": one}) == {}, "a single one stays, however large"
