"""What is known of each part of the cluster, kept in a file that other processes may read."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.cluster.state import write_private

if TYPE_CHECKING:
    from pathlib import Path

STARTING = "Starting"
READY = "Ready"
FAILED = "Failed"


@dataclass
class Part:
    """One part: Starting, Ready or Failed, and why. `detail` is its address or program."""

    state: str = STARTING
    message: str = ""
    detail: str = ""


@dataclass
class Report:
    """The parts by name. Written when something changed, never at rest."""

    path: Path
    parts: dict[str, Part] = field(default_factory=dict)
    _written: bytes = b""

    def set(self, name: str, state: str, message: str = "", *, detail: str | None = None) -> None:
        """Note the state of a part and write the file if that is news."""
        part = self.parts.setdefault(name, Part())
        part.state, part.message = state, message
        if detail is not None:
            part.detail = detail
        self.write()

    def write(self) -> None:
        """Write the file if its content changed."""
        content = orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2)
        if content != self._written:
            write_private(self.path, content)
            self._written = content

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "pid": os.getpid(),
            "ready": self.ready,
            "parts": {name: asdict(part) for name, part in self.parts.items()},
        }

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        return bool(self.parts) and all(p.state == READY for p in self.parts.values())
