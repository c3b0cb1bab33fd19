"""Times as the core API writes them: whole seconds, UTC, `Z`. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """Return `metav1.Time`: RFC 3339 without a fraction."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str | None) -> datetime | None:
    """Return the moment that `text` names; None for an absent one."""
    return datetime.fromisoformat(text) if text else None


def age_s(text: str | None, *, now: datetime) -> float:
    """Return how many seconds ago `text` was; 0 for an absent or a future time."""
    moment = parsed(text)
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
