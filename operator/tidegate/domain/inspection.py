"""When a Job that looks at a repository is tried again after it failed. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)


def pause_after(attempt: int) -> timedelta:
    """How long a failure of the `attempt`-th try (from 1 on) stands: a minute, then ever longer."""
    doubled = 1 << min(max(attempt, 1) - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def is_due(attempt: int, *, failed_at: datetime | None, now: datetime) -> bool:
    """Whether the next try may begin; one whose end nobody noted is over long since."""
    return failed_at is None or now >= failed_at + pause_after(attempt)
