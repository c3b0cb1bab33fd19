"""Times as they stand in status: RFC 3339 text in UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """A moment as text, like `2026-01-02T03:04:05.678Z`; whole seconds without a fraction."""
    utc = moment.astimezone(UTC)
    if utc.microsecond >= 1000:
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The moment that a text of `stamp` (or any RFC 3339 text) names. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_between(earlier: str, later: datetime) -> float:
    """Seconds from a stored time to a moment; never negative, so that clocks cannot undo waits."""
    return max(0.0, (later - moment(earlier)).total_seconds())
