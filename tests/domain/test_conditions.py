"""How conditions change, and since when they are said to hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidegate.domain.conditions import MESSAGE_LIMIT, Said, find, merged

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
T1 = T0 + timedelta(minutes=5)
TYPES = ("Ready", "Stalled")


def test_the_time_moves_only_when_the_status_changes() -> None:
    first = merged([], [Said("Ready", "False", "A", "a")], types=TYPES, generation=1, now=T0)
    same = merged(first, [Said("Ready", "False", "B", "b")], types=TYPES, generation=2, now=T1)
    other = merged(same, [Said("Ready", "True", "C", "c")], types=TYPES, generation=3, now=T1)
    assert same[0].last_transition_time == first[0].last_transition_time
    assert (same[0].reason, same[0].observed_generation) == ("B", 2)
    assert other[0].last_transition_time == "2026-01-05T12:05:00Z"


def test_what_is_not_said_any_more_is_gone() -> None:
    said = [Said("Ready", "False", "A", "a"), Said("Stalled", "True", "A", "a")]
    before = merged([], said, types=TYPES, generation=1, now=T0)
    after = merged(before, said[:1], types=TYPES, generation=1, now=T1)
    assert [condition.type for condition in after] == ["Ready"]
    assert find(after, "Stalled") is None


def test_types_of_others_are_left_out() -> None:
    said = [Said("Ready", "True", "A", "a"), Said("Theirs", "True", "A", "a")]
    found = merged([], said, types=TYPES, generation=1, now=T0)
    assert [condition.type for condition in found] == ["Ready"]


def test_saying_the_same_again_changes_nothing() -> None:
    said = [Said("Ready", "True", "A", "a")]
    before = merged([], said, types=TYPES, generation=1, now=T0)
    assert merged(before, said, types=TYPES, generation=1, now=T1) == before


def test_a_message_is_cut() -> None:
    found = merged([], [Said("Ready", "True", "A", "x" * 9999)], types=TYPES, generation=1, now=T0)
    assert len(found[0].message) == MESSAGE_LIMIT
