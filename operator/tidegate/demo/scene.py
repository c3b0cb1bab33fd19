"""What is known at a moment: the Model, its Rollout, the answers; and what changed since.

Reads status as any client does. Pure: others feed it (`watch.py`) and draw it (`view.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tidegate.demo.answers import Ledger

Object = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """One change of phase, as the Rollout's history tells it."""

    at: str
    before: str
    after: str
    reason: str
    message: str
    revision: str

    @classmethod
    def read(cls, entry: Object, *, revision: str) -> Decision:
        """From an entry of `status.history`."""
        return cls(
            at=str(entry.get("at", "")),
            before=str(entry.get("from", "")),
            after=str(entry.get("to", "")),
            reason=str(entry.get("reason", "")),
            message=str(entry.get("message", "")),
            revision=revision,
        )


@dataclass(frozen=True)
class Arm:
    """One arm: who is behind it, and its share in per cent."""

    name: str
    revision: str
    weight: int
    ready: int


@dataclass
class Scene:
    """Everything that the demo knows. `versions` maps a revision's name to v1, v2, …"""

    model: Object = field(default_factory=dict)
    rollout: Object = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    versions: dict[str, str] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show_model(self, model: Object) -> None:
        """Take in a new state of the Model."""
        self.model = model

    def show_rollout(self, rollout: Object) -> None:
        """Take in a new state of the Rollout, and remember the decisions that are new in it."""
        self.rollout = rollout
        status = rollout.get("status", {})
        revision = str((status.get("attempt") or {}).get("revision", ""))
        known = {(decision.at, decision.before, decision.after) for decision in self.decisions}
        for entry in reversed(status.get("history", [])):
            decision = Decision.read(entry, revision=revision)
            if (decision.at, decision.before, decision.after) not in known:
                self.decisions.append(decision)

    @property
    def latest(self) -> str | None:
        """The revision of the Model's current spec; None until the operator has made it."""
        status = self.model.get("status", {})
        if status.get("resolvedGeneration") != self.model.get("metadata", {}).get("generation"):
            return None
        latest = status.get("latestRevision")
        return None if latest is None else str(latest)

    @property
    def stable(self) -> str | None:
        """The revision that serves."""
        stable = (self.model.get("status", {}).get("delivery") or {}).get("stable")
        return None if stable is None else str(stable)

    @property
    def rejected(self) -> set[str]:
        """The revisions that were taken back."""
        delivery = self.model.get("status", {}).get("delivery") or {}
        return {str(entry["revision"]) for entry in delivery.get("rejected", [])}

    @property
    def phase(self) -> str:
        """The Rollout's phase."""
        return str(self.rollout.get("status", {}).get("phase") or "")

    @property
    def arms(self) -> list[Arm]:
        """The arms as the Rollout means them to be."""
        return [
            Arm(
                name=str(arm["name"]),
                revision=str(arm["revision"]),
                weight=int(arm["weight"]),
                ready=int(arm.get("ready", 0)),
            )
            for arm in self.rollout.get("status", {}).get("arms", [])
        ]

    @property
    def evidence(self) -> list[Object]:
        """The evidence of each metric in the attempt under way, as status has it."""
        return list(self.rollout.get("status", {}).get("evidence", []))

    def label(self, revision: str) -> str:
        """`v2 (flight-delay-1a2b3c4d)` for people."""
        version = self.versions.get(revision)
        return revision if version is None else f"{version} ({revision})"

    def decision_about(self, revision: str, *, phases: tuple[str, ...]) -> Decision | None:
        """The first decision about a revision that led to one of these phases."""
        for decision in self.decisions:
            if decision.revision == revision and decision.after in phases:
                return decision
        return None
