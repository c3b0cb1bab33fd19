"""Cron schedules as Kubernetes reads them: five fields, `@daily` and its like, `@every 90m`. Pure.

The calendar is `cronsim`'s. Where that knows more than Kubernetes does (`L`, `#`, seconds, day 7)
the schedule is refused, or what works here would be refused by a real cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due. Either `expression` (five fields, in `zone`) or `every` is given."""

    expression: str = ""
    zone: tzinfo = UTC
    every: timedelta | None = None

    def after(self, moment: datetime) -> datetime:
        """Return the first time after `moment`."""
        if self.every is not None:
            return moment.replace(microsecond=0) + self.every
        return next(CronSim(self.expression, moment.astimezone(self.zone))).astimezone(UTC)

    def latest(self, *, since: datetime, until: datetime) -> datetime | None:
        """Return the last time after `since` and not after `until`; None when there is none."""
        if self.every is not None:
            begun = since.replace(microsecond=0)
            turns = (until - begun) // self.every
            return begun + turns * self.every if turns > 0 else None
        beyond = until.astimezone(self.zone) + timedelta(seconds=1)
        found: datetime = next(CronSim(self.expression, beyond, reverse=True)).astimezone(UTC)
        return found if since < found <= until else None


def parse(text: str, *, zone: str | None = None) -> Schedule:
    """Return the schedule. Raises ValueError, with what is wrong, as a real API server words it."""
    place = zone_of(zone)
    if text.startswith("@every "):
        return Schedule(every=_every(text))
    if text.startswith("@"):
        if text not in _MACROS:
            raise ValueError(f"unrecognized descriptor: {text}")
        return Schedule(_MACROS[text], place)
    fields = text.split()
    if len(fields) != 5:
        listed = " ".join(fields)
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{listed}]")
    fields = [field.replace("?", "*") for field in fields]
    for index, field in enumerate(fields):
        # Months and weekdays have names; what else is written in letters is not Kubernetes'.
        if not _FIELD.fullmatch(field) or (index < 3 and re.search("[A-Za-z]", field)):
            raise ValueError(f"failed to parse {field}")
    expression = " ".join([*fields[:4], _weekdays(fields[4])])
    try:
        CronSim(expression, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{str(error).lower()}: {text}") from error
    return Schedule(expression, place)


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone; UTC without a name. Raises ValueError for an unknown one."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name}") from error


def _weekdays(field: str) -> str:
    """Days by number, 0 to 6: there is no day 7, and no `L`."""
    found = re.sub(r"[A-Za-z]+", lambda name: str(_DAYS.get(name.group().lower(), "x")), field)
    if "x" in found:
        raise ValueError(f"failed to parse int from {field}")
    days = re.sub(r"/\d+", "", found)
    if any(int(day) > 6 for day in re.findall(r"\d+", days)):
        raise ValueError(f"end of range (7) above maximum (6): {field}")
    return found


def _every(text: str) -> timedelta:
    words = text.removeprefix("@every ").strip()
    parts = _DURATION.findall(words)
    if not parts or "".join(number + unit for number, unit in parts) != words:
        raise ValueError(f"failed to parse duration {text}")
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    return timedelta(seconds=max(1, int(seconds)))
