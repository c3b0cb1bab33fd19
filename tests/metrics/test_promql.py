"""Words from outside must stay words."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.metrics.promql import duration, is_exactly, is_one_of, quoted

NASTY = st.text(alphabet=st.sampled_from(list('ab/.\\"\n{}[]()|*+?^$-,=~ é')), max_size=12)


def unquoted(text: str) -> str:
    assert text[0] == text[-1] == '"'
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text[1:-1], flags=re.S)


@given(NASTY)
def test_a_quoted_value_ends_where_it_should_and_says_the_same(value: str) -> None:
    inside = quoted(value)[1:-1]
    assert re.fullmatch(r'(?:[^"\\\n]|\\["\\n])*', inside)
    assert unquoted(quoted(value)) == value


@given(st.lists(NASTY, min_size=1, max_size=3), NASTY)
def test_a_list_matches_its_members_and_nothing_else(members: list[str], other: str) -> None:
    expression = unquoted(is_one_of("x", members).removeprefix("x=~"))
    for member in members:
        assert re.fullmatch(expression, member)
    assert bool(re.fullmatch(expression, other)) == (other in members)


def test_matchers_read_as_promql() -> None:
    assert is_exactly("a", 'x"y\\') == 'a="x\\"y\\\\"'
    assert is_one_of("a", ["n/m.b", "c"]) == 'a=~"n/m\\\\.b|c"'


@pytest.mark.parametrize(
    ("seconds", "text"), [(15, "15000ms"), (0.2001, "201ms"), (3600, "3600000ms")]
)
def test_durations_are_whole_milliseconds_rounded_up(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
