"""The states of a container, as its pod's status tells them. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.local.workloads.times import parsed, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CRASH_LOOP = "CrashLoopBackOff"
CONTAINER_CREATING = "ContainerCreating"
POD_INITIALIZING = "PodInitializing"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running; `reason` says what it waits for."""

    reason: str
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return `state` as a kubelet writes it."""
        found = {"reason": self.reason} | ({"message": self.message} if self.message else {})
        return {"waiting": found}


@dataclass(frozen=True, slots=True)
class Running:
    """Running since `started_at`, as process `container_id`."""

    started_at: datetime
    container_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return `state` as a kubelet writes it."""
        return {"running": {"startedAt": stamp(self.started_at)}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """Ended with `exit_code`. Without times: it never ran."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return `state` as a kubelet writes it."""
        found: dict[str, Any] = {"exitCode": self.exit_code, "reason": self.reason}
        if self.message:
            found["message"] = self.message
        if self.started_at:
            found["startedAt"] = stamp(self.started_at)
        if self.finished_at:
            found["finishedAt"] = stamp(self.finished_at)
        if self.container_id:
            found["containerID"] = self.container_id
        return {"terminated": found}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Terminated:
        """Read what `as_json` wrote (the inner part)."""
        return cls(
            exit_code=int(found.get("exitCode", 0)),
            reason=str(found.get("reason", "")),
            message=str(found.get("message", "")),
            started_at=parsed(found.get("startedAt")),
            finished_at=parsed(found.get("finishedAt")),
            container_id=str(found.get("containerID", "")),
        )


type State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One container at one moment."""

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool | None = None
    container_id: str = ""
    resources: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of `containerStatuses`."""
        found: dict[str, Any] = {
            "name": self.name,
            "state": self.state.as_json(),
            "lastState": self.last.as_json() if self.last else {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": f"local://{self.image}" if self.container_id else "",
            "started": bool(self.started),
        }
        if self.container_id:
            found["containerID"] = self.container_id
        if self.resources:
            found["resources"] = dict(self.resources)
        return found
