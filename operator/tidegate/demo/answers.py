"""Who answered, and who is to blame for what went wrong: pure counting.

A failure is a version's own only when the answer is a 5xx and carries the version's name in
`x-tidegate-revision`. Everything else that is not a good answer (no connection, the gateway's own
503 or 404, a time-out, an answer that says the request was wrong) is ours: it must not happen, and
the demo fails when it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

REVISION_HEADER = "x-tidegate-revision"


class Blame(StrEnum):
    """Whose failure an answer is."""

    NONE = "none"
    VERSION = "version"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's end, by the client's clock. `status` 0 means that no answer came."""

    number: int
    at: float
    status: int
    revision: str
    milliseconds: float
    error: str = ""

    @property
    def blame(self) -> Blame:
        """Whose failure this is."""
        if 200 <= self.status < 300 and self.revision:
            return Blame.NONE
        if self.revision and self.status >= 500:
            return Blame.VERSION
        return Blame.OURS


@dataclass
class Tally:
    """What one revision answered. Times are the client's seconds; latencies are milliseconds."""

    served: int = 0
    failed: int = 0
    first_at: float | None = None
    last_at: float | None = None
    first_failed_at: float | None = None
    latencies: list[tuple[float, float]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count one answer of this revision."""
        self.served += 1
        self.first_at = answer.at if self.first_at is None else min(self.first_at, answer.at)
        self.last_at = answer.at if self.last_at is None else max(self.last_at, answer.at)
        self.latencies.append((answer.at, answer.milliseconds))
        if answer.blame is Blame.VERSION:
            self.failed += 1
            if self.first_failed_at is None or answer.at < self.first_failed_at:
                self.first_failed_at = answer.at

    def quantile(self, q: float) -> float | None:
        """A quantile of the latency in milliseconds; None without answers."""
        if not self.latencies:
            return None
        ordered = sorted(milliseconds for _, milliseconds in self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

    def first_slower_than(self, milliseconds: float) -> float | None:
        """When the first answer slower than this came; None when there was none."""
        return min((at for at, spent in self.latencies if spent > milliseconds), default=None)


@dataclass
class Ledger:
    """All answers so far, by revision, and the failures that are ours."""

    revisions: dict[str, Tally] = field(default_factory=dict)
    ours: list[Answer] = field(default_factory=list)
    total: int = 0

    def add(self, answers: Iterable[Answer]) -> None:
        """Count answers, in any order."""
        for answer in answers:
            self.total += 1
            if answer.blame is Blame.OURS:
                self.ours.append(answer)
            else:
                self.revisions.setdefault(answer.revision, Tally()).add(answer)

    def tally(self, revision: str) -> Tally:
        """What a revision answered; an empty one for a revision that never did."""
        return self.revisions.get(revision) or Tally()
