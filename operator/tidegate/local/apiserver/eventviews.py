"""Events are stored as `v1` and also shown as `events.k8s.io/v1`: the two translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

# events.k8s.io/v1 name → v1 name
_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _NAMES.items()}


def events_to_core(obj: Obj) -> Obj:
    """An `events.k8s.io/v1` Event as it is stored."""
    return {_NAMES.get(k, k): v for k, v in obj.items()} | {"apiVersion": "v1"}


def core_to_events(obj: Obj) -> Obj:
    """A stored Event as `events.k8s.io/v1`."""
    renamed = {_BACK.get(k, k): v for k, v in obj.items()}
    for field in ("reportingController", "reportingInstance"):
        if not renamed.get(field):
            renamed.pop(field, None)
    return renamed | {"apiVersion": "events.k8s.io/v1"}


def complete_event(obj: Obj) -> None:
    """The fields that every stored Event has."""
    obj.setdefault("involvedObject", {})
    obj.setdefault("source", {})
    obj.setdefault("firstTimestamp", None)
    obj.setdefault("lastTimestamp", None)
    obj.setdefault("eventTime", None)
    obj.setdefault("reportingComponent", "")
    obj.setdefault("reportingInstance", "")
