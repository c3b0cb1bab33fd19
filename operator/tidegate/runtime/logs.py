"""Structured logs: a fixed event text plus fields, one JSON object a line on stderr.

    log = get_logger(__name__)
    with bound(kind="Model", ns="demo", name="flight-delay", reconcile_id="3f2a"):
        log.info("revision created", revision="flight-delay-1a2b3c4d")

Fields that are bound stand on every line that is written inside, also by libraries.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

_bound: ContextVar[dict[str, object]] = ContextVar("tidegate_log_fields")


class Log:
    """A logger that takes fields by name."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Tell developers: at least one line a reconcile."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Tell that something changed its state."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Tell what a human may have to act on."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Tell what should not have happened; with `error`, where it came from."""
        self._write(logging.ERROR, event, fields, error=error)

    def _write(
        self,
        level: int,
        event: str,
        fields: dict[str, object],
        *,
        error: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"fields": {**_bound.get({}), **fields}}
            self._logger.log(level, event, extra=extra, exc_info=error, stacklevel=3)


def get_logger(name: str) -> Log:
    """Return the structured logger of a module."""
    return Log(logging.getLogger(name))


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Put `fields` on every line that is logged inside, in this task and those it starts."""
    token = _bound.set({**_bound.get({}), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON: time, level, event, fields, logger, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = getattr(record, "fields", None)
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **(fields if isinstance(fields, dict) else _bound.get({})),
            "logger": record.name,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure(level: str = "INFO") -> None:
    """Send all logs of the process to stderr as JSON lines; `level` is for our own loggers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("tidegate").setLevel(level)
    # kopf tells every object's event at DEBUG and its own activities at INFO: not ours to repeat.
    logging.getLogger("kopf").setLevel(logging.WARNING)
