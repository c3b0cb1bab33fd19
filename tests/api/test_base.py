"""Durations: what is read, what is written, and that both agree."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.api.base import DURATION_PATTERN, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h30m", 9000),
        ("7d", 604800),
        ("250ms", 0.25),
        ("0s", 0),
        ("1d1h1m1s1ms", 90061.001),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 min", "1h1h", "1m2h", "-3s", "1w", "1.5h", "s", "5m ", None, 60, True]
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="write it like 90s, 10m, 2h30m or 7d"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999)))
def test_a_duration_survives_writing_and_reading_to_the_millisecond(value: timedelta) -> None:
    text = format_duration(value)
    assert re.fullmatch(DURATION_PATTERN, text)
    assert abs(parse_duration(text) - value) <= timedelta(milliseconds=0.5)
    assert format_duration(parse_duration(text)) == text


@given(st.from_regex(DURATION_PATTERN, fullmatch=True))
def test_every_text_that_the_schema_accepts_is_read(text: str) -> None:
    assume(text)  # a rule of its own refuses nothing at all
    assert timedelta(0) <= parse_duration(text) <= timedelta(days=366 * 1400)
