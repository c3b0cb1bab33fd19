"""Tells people, by Kubernetes events, what happened to an object: `kubectl describe` shows them.

Writes `events.k8s.io/v1` only. The same thing told again becomes a series (a count and the last
time), so that a condition that comes and goes cannot flood the API server. Events are for people:
nothing reads them back, and failing to write one is logged, never raised.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tidegate.errors import KubeError, NotFound
from tidegate.kube.clock import Clock, to_micro_time
from tidegate.kube.objects import name_of, namespace_of, resource_version_of, uid_of
from tidegate.kube.resources import EVENTS

if TYPE_CHECKING:
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object

type EventType = Literal["Normal", "Warning"]

_SERIES_ENDS_AFTER = timedelta(minutes=30)
_SERIES_WRITE_EVERY = timedelta(seconds=60)
_KEPT_SERIES = 1000
_MAX_NOTE_BYTES = 1000
"""The API server refuses notes over 1 kB."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Series:
    name: str
    count: int
    seen: datetime
    written: datetime


class Recorder:
    """Writes events in the name of one controller."""

    def __init__(
        self,
        client: Client,
        controller: str = "tidegate",
        *,
        reporting: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`reporting` is the name that people see, `tidegate.dev/<controller>` unless given."""
        self._reporting = reporting or f"tidegate.dev/{controller}"
        self._client = client
        self._controller = controller
        self._clock = clock or client.clock
        self._instance = f"{controller}-{socket.gethostname()}-{os.getpid()}"[:128]
        self._series: OrderedDict[str, _Series] = OrderedDict()

    async def emit(
        self, regarding: Object, *, type: EventType, reason: str, note: str, action: str
    ) -> None:
        """Tell that `reason` (CamelCase) happened to `regarding` while doing `action` (CamelCase).

        `note` says for people what happened and what to do. The second time in 30 minutes the same
        is told, the event becomes a series, written at most once a minute.
        """
        key = _key(regarding, type, reason, note, action)
        now = self._clock.now()
        known = self._series.get(key)
        try:
            recent = known is not None and now - known.seen <= _SERIES_ENDS_AFTER
            namespace = namespace_of(regarding)
            if known is not None and recent and await self._again(known, namespace, now=now):
                return
            event = self._event(
                regarding, type=type, reason=reason, note=note, action=action, now=now, key=key
            )
            await self._client.create(EVENTS, event, manager=self._controller)
            self._remember(key, _Series(name_of(event), 1, now, now))
        except KubeError as error:
            log.warning(
                "event was not written",
                extra={"fields": {"reason": reason, "note": note, "error": str(error)}},
            )

    async def _again(self, series: _Series, namespace: str | None, *, now: datetime) -> bool:
        """Count another occurrence; no when the server has dropped the event, as after an hour."""
        series.count += 1
        series.seen = now
        if series.count > 2 and now - series.written < _SERIES_WRITE_EVERY:
            return True
        body = {"series": {"count": series.count, "lastObservedTime": to_micro_time(now)}}
        try:
            await self._client.patch(
                EVENTS,
                series.name,
                body,
                namespace=namespace or "default",
                manager=self._controller,
            )
        except NotFound:
            return False
        series.written = now
        return True

    def _remember(self, key: str, series: _Series) -> None:
        self._series[key] = series
        self._series.move_to_end(key)
        if len(self._series) > _KEPT_SERIES:
            self._series.popitem(last=False)

    def _event(
        self,
        regarding: Object,
        *,
        type: EventType,
        reason: str,
        note: str,
        action: str,
        now: datetime,
        key: str,
    ) -> Object:
        # As client-go names them: the object and the time, so that they are listed in order.
        unique = hashlib.sha256(f"{key}{now.isoformat()}{self._instance}".encode()).hexdigest()
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "name": f"{name_of(regarding)}.{_microseconds(now):014x}{unique[:6]}",
                "namespace": namespace_of(regarding) or "default",
            },
            "eventTime": to_micro_time(now),
            "reportingController": self._reporting,
            "reportingInstance": self._instance,
            "action": action,
            "reason": reason,
            "type": type,
            "note": _cut(note),
            "regarding": {
                "apiVersion": regarding.get("apiVersion", ""),
                "kind": regarding.get("kind", ""),
                "name": name_of(regarding),
                "namespace": namespace_of(regarding) or "",
                "uid": uid_of(regarding),
                "resourceVersion": resource_version_of(regarding),
            },
        }


def _key(regarding: Object, *parts: str) -> str:
    told = "\0".join((uid_of(regarding), name_of(regarding), *parts))
    return hashlib.sha256(told.encode()).hexdigest()


def _cut(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= _MAX_NOTE_BYTES:
        return note
    return encoded[: _MAX_NOTE_BYTES - 3].decode("utf-8", "ignore") + "…"


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
