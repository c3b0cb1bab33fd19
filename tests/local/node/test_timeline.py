"""Lines have times, to the second, although nobody sees them pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.local.node.timeline import Noter, Timeline

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2026, 11, 27, 12, tzinfo=UTC)
NOW = BEGIN + timedelta(hours=1)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """A log that grew by a line of 5 bytes in each of the seconds 1, 2 and 5."""
    log = tmp_path / "0.log"
    noter = Noter(log)
    noter.note(now=at(0))
    for second in range(1, 7):
        if second in (1, 2, 5):
            with log.open("a") as file:
                file.write("line\n")
        noter.note(now=at(second))
    return log


@pytest.mark.parametrize(("since", "length"), [(0, 0), (1, 0), (1.5, 5), (3, 10), (5, 10), (6, 15)])
def test_reading_since_a_time_starts_behind_what_was_said_before(
    noted: Path, since: float, length: int
) -> None:
    assert Timeline.read(noted).length_at(at(since)) == length


def test_a_line_has_the_time_at_which_it_was_seen_first(noted: Path) -> None:
    timeline = Timeline.read(noted)
    said = [timeline.said_at(end, now=NOW) for end in (5, 10, 15, 20)]
    assert said == [at(1), at(2), at(5), NOW]


def test_a_log_that_was_emptied_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    noter = Noter(log)
    for second, text in enumerate(("much text\n", "")):
        log.write_text(text)
        noter.note(now=at(second))
    log.write_text("new\n")
    noter.note(now=at(9))
    assert Timeline.read(log).said_at(4, now=NOW) == at(9)


def test_nothing_is_known_of_a_log_that_nobody_noted(tmp_path: Path) -> None:
    timeline = Timeline.read(tmp_path / "0.log")
    assert (timeline.length_at(NOW), timeline.said_at(1, now=NOW)) == (0, NOW)
