"""What is cut, and that it is told from what is whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.short_words import SHORT_CHARS, is_cut, short


@given(st.text(max_size=3 * SHORT_CHARS))
def test_a_message_is_cut_once_and_only_where_it_is_too_long(message: str) -> None:
    found = short(message)
    assert len(found) <= SHORT_CHARS
    assert short(found) == found
    if len(message) > SHORT_CHARS:
        assert is_cut(found)
    else:
        assert found == message
