"""What a pod's containers share: the node's means, and the pod's own place. Values only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.local.node.backoff import BackOff
from tidegate.local.node.timeline import beside

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.local.node.isolation import Isolation


class Tell(Protocol):
    """Records an event about the pod."""

    def __call__(self, *, reason: str, note: str, warning: bool = False) -> None:
        """Return at once. `reason` is CamelCase; `note` is for people."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that a process needs: `env` is its whole environment.

    `rewrite` turns what later commands say into what holds for the process; `outside` finds a path
    of the container on this machine.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    directory: Path
    rewrite: Callable[[str], str]
    outside: Callable[[str], str]
    isolation: Isolation


type Prepare = Callable[[Mapping[str, Any]], Awaitable[Launch]]
"""Works out how to start a container. Raises ImageProblem, ConfigProblem, KubeError."""


@dataclass(frozen=True, slots=True)
class ContainerPlace:
    """Where one container keeps its files."""

    folder: Path

    @property
    def termination_message(self) -> Path:
        """The file that stands for `terminationMessagePath`."""
        return self.folder / "termination-log"

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.folder / "tmp"

    @property
    def root(self) -> Path:
        """An empty folder, where a process may build a root of its own."""
        return self.folder / "root"

    def log(self, attempt: int) -> Path:
        """What the container said in its start number `attempt`, counted from 0."""
        return self.folder / f"{attempt}.log"

    def make(self, attempt: int) -> None:
        """Make the folders, empty the message, drop logs that nobody can ask for any more."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True)
        self.termination_message.write_bytes(b"")
        for new in (self.log(attempt), beside(self.log(attempt))):
            new.unlink(missing_ok=True)
        for old in self.folder.glob("*.log"):
            if old.stem.isdigit() and int(old.stem) < attempt - 1:
                old.unlink(missing_ok=True)
                beside(old).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class PodPlace:
    """Where one pod keeps its files."""

    folder: Path

    def container(self, name: str) -> ContainerPlace:
        """Return the place of one container."""
        return ContainerPlace(self.folder / "containers" / name)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the node waits; seconds."""

    back_off: BackOff = field(default_factory=BackOff)
    config_retry_s: float = 5.0
    """After a container could not be made as declared."""
    rotation_limit_s: float = 2.0
    """The longest wait until the endpoints say that a pod that ends is not ready."""
    rotation_lag_s: float = 0.3
    """After that: until whoever balances has heard of it."""
    shortest_grace_s: float = 2.0
    """Even a pod that is deleted at once gets that long after SIGTERM."""
