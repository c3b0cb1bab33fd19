"""Time never runs back: another leader's clock may be behind the one that wrote the status.

Owns what counts as now. Until a clock that is behind has caught up, time stands still: no deadline
moves to an earlier moment, and nothing happens before what has happened already.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.api.rollout_status import RolloutStatus
    from tidegate.domain.rollout.facts import Timing

PLAY = timedelta(minutes=10)
"""How far a clock may be behind. A status that is further ahead was not written by a clock: it was
edited, and must not stop time for years."""


def not_before(timing: Timing, status: RolloutStatus) -> Timing:
    """The timing of a look: no earlier than anything that the status says has happened."""
    ahead = [at for at in map(moment, _happened(status)) if timing.now < at <= timing.now + PLAY]
    return replace(timing, now=max(ahead)) if ahead else timing


def _happened(status: RolloutStatus) -> Iterator[str]:
    """Every moment that was now when it was written."""
    hold, attempt = status.hold, status.attempt
    for at in (
        status.phase_since,
        status.settling_since,
        status.candidate_missing_since,
        status.window_since,
        status.history[0].at if status.history else None,
        hold.since if hold else None,
        attempt.started_at if attempt else None,
        attempt.warm_since if attempt else None,
    ):
        if at is not None:
            yield at
