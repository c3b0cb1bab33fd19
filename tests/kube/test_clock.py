"""The API server's clock is estimated from whole-second dates, and does not run backwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.clock import ServerClock, SystemClock, to_micro_time
from tidegate.testing.clock import START, FakeClock


def header(moment: datetime) -> str:
    """A Date header: cut, not rounded, to whole seconds."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def test_before_any_answer_it_is_the_machines_own_clock() -> None:
    base = FakeClock()

    assert ServerClock(base).now() == base.now()


@given(
    offset=st.floats(-1e6, 1e6),
    answers=st.lists(
        st.tuples(st.floats(0.01, 30), st.floats(0.001, 2), st.floats(0, 1)), min_size=1
    ),
)
def test_the_estimate_is_never_further_off_than_one_answer_proves(
    offset: float, answers: list[tuple[float, float, float]]
) -> None:
    base = FakeClock()
    clock = ServerClock(base)
    allowed = float("inf")
    for pause, round_trip, answered_at in answers:
        base.jump(pause)
        sent = base.monotonic()
        base.jump(round_trip * answered_at)
        date = header(base.now() + timedelta(seconds=offset))
        base.jump(round_trip * (1 - answered_at))
        clock.observe(date, sent=sent, received=base.monotonic())
        allowed = min(allowed, (1 + round_trip) / 2)
    truth = base.now() + timedelta(seconds=offset)

    assert abs((clock.now() - truth).total_seconds()) <= allowed + 1e-3


def test_many_answers_narrow_the_estimate_far_below_a_second() -> None:
    base = FakeClock()
    clock = ServerClock(base)
    for _ in range(50):
        base.jump(0.13)
        date = header(base.now() + timedelta(hours=1))
        clock.observe(date, sent=base.monotonic(), received=base.monotonic())

    assert abs(clock.now() - (base.now() + timedelta(hours=1))) < timedelta(seconds=0.1)


def test_a_correction_does_not_move_time_back() -> None:
    base = FakeClock()
    clock = ServerClock(base)
    clock.observe(header(START), sent=0, received=2)
    first = clock.now()
    clock.observe(header(START - timedelta(seconds=1)), sent=0, received=0)

    assert clock.now() >= first


def test_a_server_whose_clock_was_set_back_is_believed() -> None:
    base = FakeClock()
    clock = ServerClock(base)
    clock.observe(header(START), sent=0, received=0)
    clock.now()
    clock.observe(header(START - timedelta(hours=1)), sent=0, received=0)

    assert clock.now() < START - timedelta(minutes=59)


def test_nonsense_in_a_date_header_is_ignored() -> None:
    base = FakeClock()
    clock = ServerClock(base)
    clock.observe("yesterday, about noon", sent=0, received=0)

    assert clock.now() == base.now()


async def test_waiting_for_an_event_tells_whether_it_came() -> None:
    clock = ServerClock(SystemClock())
    event = asyncio.Event()

    assert not await clock.wait_for(event, 0.01)
    event.set()
    assert await clock.wait_for(event, 0.01)
    assert await clock.wait_for(event, None)


def test_micro_times_are_utc_with_six_digits() -> None:
    moment = datetime(2026, 1, 5, 13, 0, 0, 1200, tzinfo=UTC)

    assert to_micro_time(moment) == "2026-01-05T13:00:00.001200Z"
