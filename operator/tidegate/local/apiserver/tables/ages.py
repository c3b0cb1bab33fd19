"""How long ago something was, as kubectl writes it."""

from __future__ import annotations

from datetime import datetime


def parse(text: object) -> datetime | None:
    """An RFC 3339 time; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def age(since: object, now: datetime, *, unknown: str = "<unknown>") -> str:
    """The age of a timestamp, such as `3m4s`."""
    at = parse(since)
    return unknown if at is None else human((now - at).total_seconds())


def human(seconds: float) -> str:
    """A duration in one or two units, as apimachinery's HumanDuration writes it."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return _pair(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    years = days // 365
    if years < 2:
        return f"{days}d"
    if years < 8:
        return _pair(years, "y", days % 365, "d")
    return f"{years}y"


def _pair(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"
