"""Cron schedules: what Kubernetes takes is taken, and nothing else; times are exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.schedules import parse

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "after"),
    [
        ("* * * * *", None, NOON + timedelta(minutes=1)),
        ("*/15 * * * *", None, NOON + timedelta(minutes=15)),
        ("0 9 * * mon-fri", None, datetime(2026, 11, 30, 9, 0, tzinfo=UTC)),
        ("0 9 * * 1-5", "Europe/Berlin", datetime(2026, 11, 30, 8, 0, tzinfo=UTC)),
        ("0 0 1 JAN ?", None, datetime(2027, 1, 1, tzinfo=UTC)),
        ("@hourly", None, NOON + timedelta(hours=1)),
        ("@weekly", None, datetime(2026, 11, 29, tzinfo=UTC)),
        ("@every 1h30m", None, NOON + timedelta(minutes=90)),
    ],
)
def test_the_next_time_is_found(text: str, zone: str | None, after: datetime) -> None:
    assert parse(text, zone=zone).after(NOON) == after


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("0 * * * * *", "expected exactly 5 fields, found 6"),
        ("61 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("* * * * 7", "above maximum (6)"),
        ("* * L * *", "failed to parse L"),
        ("* * * * 1#2", "failed to parse"),
        ("* * * * 5L", "failed to parse"),
        ("@reboot", "unrecognized descriptor"),
        ("@every soon", "failed to parse duration"),
    ],
)
def test_what_kubernetes_refuses_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        parse(text)


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(ValueError, match="unknown time zone Mars/Base"):
        parse("* * * * *", zone="Mars/Base")


@given(
    text=st.sampled_from(["* * * * *", "*/7 * * * *", "30 3 * * *", "@every 7m", "0 0 * * 0"]),
    since_s=st.integers(0, 10_000_000),
    length_s=st.integers(0, 1_000_000),
)
def test_the_latest_time_is_the_last_of_those_that_follow_each_other(
    text: str, since_s: int, length_s: int
) -> None:
    schedule = parse(text)
    since = NOON + timedelta(seconds=since_s)
    until = since + timedelta(seconds=length_s)
    latest = schedule.latest(since=since, until=until)
    if latest is None:
        assert schedule.after(since) > until
    else:
        assert since < latest <= until
        assert schedule.after(latest) > until
