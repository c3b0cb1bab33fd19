"""The contract of what trains, and what is common to all.

To add one: one file with a class that has `start`, `look` and `stop`, one line in `registry.py`,
one member of `spec.training.jobFrom`, one test file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import timedelta

    from tidegate.api.training import JobFrom, TrainingRun
    from tidegate.domain.training import Try
    from tidegate.specs.metadata import Parent

TRAINING_ENV = "TIDEGATE_TRAINING"
"""Environment variable (of a pipeline: parameter) with NAMESPACE/MODEL/NUMBER of the training."""


@dataclass(frozen=True)
class Wanted:
    """One try of a training: for which Model, made of what, `id` NAMESPACE/MODEL/NUMBER."""

    parent: Parent
    of: JobFrom
    run: TrainingRun
    id: str


class Trainer(Protocol):
    """Runs trainings. Every call is safe to repeat after a crash."""

    poll: timedelta | None
    """How often to look; None where a watch tells."""

    async def start(self, wanted: Wanted) -> str | None:
        """Make the try unless it is there already; the id that a server gave to it, if one did.

        :raises Terminal: it cannot be made until somebody changes something.
        :raises Retryable: nobody answered.
        """
        ...

    async def look(self, wanted: Wanted) -> Try:
        """How the try stands.

        :raises Retryable: nobody answered.
        """
        ...

    async def stop(self, wanted: Wanted) -> None:
        """End the try; it may be gone already."""
        ...
