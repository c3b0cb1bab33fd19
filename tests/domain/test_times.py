"""Times as text, and waits that clocks cannot undo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.times import moment, seconds_between, stamp

ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 2), max_value=datetime(2100, 1, 1), timezones=ZONES
)


@given(MOMENTS)
def test_a_moment_survives_being_written_to_the_millisecond(when: datetime) -> None:
    assert timedelta(0) <= when - moment(stamp(when)) < timedelta(milliseconds=1)
    assert stamp(moment(stamp(when))) == stamp(when)


def test_whole_seconds_have_no_fraction() -> None:
    assert stamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05Z"


def test_a_clock_that_went_back_makes_no_negative_wait() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert seconds_between(stamp(now + timedelta(seconds=90)), now) == 0.0
    assert seconds_between(stamp(now - timedelta(seconds=90)), now) == 90.0
