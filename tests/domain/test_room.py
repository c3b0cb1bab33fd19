"""Histories keep to their room, and what must stay stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.model_status import Rejection
from tidegate.domain.room import fitted, size


def rejection(message: str) -> Rejection:
    return Rejection(digest="d", revision="r", reason="Aborted", message=message, at="t")


def without_words(entry: Rejection) -> Rejection:
    return entry.model_copy(update={"message": ""})


BARE = size(rejection(""))
MESSAGES = st.lists(st.text(min_size=1, max_size=40), max_size=12)


@given(messages=MESSAGES, room=st.integers(0, 3000))
def test_what_fits_is_left_as_it_is_and_what_does_not_is_cut_from_the_oldest(
    messages: list[str], room: int
) -> None:
    entries = [rejection(message) for message in messages]
    found = fitted(entries, room=room, steps=(without_words, lambda _: None))
    assert sum(map(size, found)) <= room
    newest = entries[len(entries) - len(found) :]
    whole = sum(entry == kept for entry, kept in zip(newest, found, strict=True))
    assert found[len(found) - whole :] == newest[len(found) - whole :]
    assert fitted(found, room=room, steps=(without_words, lambda _: None)) == found
    if sum(map(size, entries)) <= room:
        assert found == entries


def test_nobody_loses_an_entry_while_words_are_to_be_had() -> None:
    entries = [rejection("x" * 100)] * 5
    found = fitted(entries, room=5 * BARE, steps=(without_words, lambda _: None))
    assert found == [rejection("")] * 5


def test_what_no_step_takes_away_stays_though_it_is_too_much() -> None:
    entries = [rejection("x" * 100)] * 5
    assert fitted(entries, room=10, steps=(lambda entry: entry,)) == entries
