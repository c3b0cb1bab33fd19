"""An attempt told from its record: how it began, what each step saw, what decided, how it ended.

Pure: rows in, a story out. It judges nothing anew but the evidence of an attempt under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.cli.delivery import span
from tidegate.domain.record.judging import figures
from tidegate.domain.record.replaying import replay
from tidegate.domain.times import moment, seconds_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.record import Row

GOOD_ENDS = ("Healthy",)
_BACK = ("RolledBack", "TakenBack", "Reset")
_RULES = {
    "EvidencePromotes": (
        "every comparison reached ln(1/falsePromotionRate) = {promote:.2f} nats, with at least"
        " minRequests = {min_requests} requests of the candidate"
    ),
    "EvidenceRollsBack": (
        "all comparisons together reached ln(2/falseRollbackRate) = {rollback:.2f} nats"
    ),
    "GuardBroken": (
        "the limit of {metric} by itself reached ln(2 x guards/falseRollbackRate) = {guard:.2f}"
        " nats"
    ),
    "ChecksPassed": "the checks lasted as long as asked for, and nothing spoke against the switch",
    "PromotedByDeadline": "no verdict came within deadline = {deadline}; onInconclusive is Promote",
    "Inconclusive": "no verdict came in time (deadline = {deadline}); onInconclusive is Rollback",
    "HoldExpired": "a hold lasted for holds.deadline = {hold}; holds.then is Rollback",
    "PromotedByCommand": "a person decided",
    "Aborted": "a person decided",
    "CandidateFailed": "a pod of the candidate failed for good",
    "CandidateUnavailable": "the candidate had no ready pod for a minute",
    "Superseded": "something else was asked for",
    "StatusLost": "the status could not be gone on from, so the attempt starts over",
    "FastRollback": "the revision before was still warm, so no steps were needed",
    "Reset": "the delivery was started anew",
    "ContestWon": (
        "one arm was shown to fail less than each of the others, all pairs together with"
        " falsePromotionRate"
    ),
    "LostToStable": (
        "stable was shown to fail less than each of the others, all pairs together with"
        " falsePromotionRate"
    ),
    "WinnerNamed": "an arm has won, and the strategy only names it",
    "WinnerAdopted": "an arm won before, and was adopted",
    "SampleRatioMismatch": "callers are not shared out as the weights say",
    "TrialsDone": "every trial has ended",
}
"""By what rule a reason decides; the words in braces come from the record."""


@dataclass
class Step:
    """What one step saw. `evidence` is that of the whole attempt at its end, by metric: to take
    back and to promote in per cent of what is needed, bad ones and requests of each arm."""

    name: str
    weight: int
    since: str
    until: str | None = None
    seconds: float = 0.0
    batches: int = 0
    candidate: list[float] = field(default_factory=lambda: [0.0, 0.0])
    stable: list[float] = field(default_factory=lambda: [0.0, 0.0])
    copies: bool = False
    evidence: dict[str, list[float | None]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "step": self.name,
            "weight": self.weight,
            "since": self.since,
            "until": self.until,
            "observedSeconds": self.seconds,
            "batches": self.batches,
            "candidate": {"bad": self.candidate[0], "n": self.candidate[1]},
            "stable": {"bad": self.stable[0], "n": self.stable[1]},
            "copies": self.copies,
            "evidence": _evidence_document(self.evidence),
        }


@dataclass(frozen=True)
class Moment:
    """One thing that happened, in a sentence or two. `kind` is that of the row."""

    at: str
    kind: str
    text: str
    reason: str = ""


@dataclass(frozen=True)
class Story:
    """A whole attempt."""

    begin: dict[str, Any]
    moments: tuple[Moment, ...]
    steps: tuple[Step, ...]
    evidence: dict[str, list[float | None]]
    phase: str
    decided: Moment | None
    rule: str
    ended_at: str | None
    problems: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What became of the candidate, in a few words."""
        candidate = self.begin.get("candidate", "the candidate")
        if self.ended_at is None:
            return f"under way: phase {self.phase}"
        if self.phase == "Deleted":
            return f"{candidate} was taken back: its Rollout was deleted"
        ends = [m.reason for m in self.moments if m.reason in ("Promoted", *_BACK)]
        if not ends or ends[-1] != "Promoted":
            baked = "Promoted" in ends
            return f"{candidate} was {'promoted, baked, and ' if baked else ''}taken back"
        return f"{candidate} was promoted"

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        decided = None
        if self.decided is not None:
            decided = {
                "at": self.decided.at,
                "reason": self.decided.reason,
                "message": self.decided.text,
                "rule": self.rule,
            }
        return {
            **{key: value for key, value in self.begin.items() if key not in ("model", "rollout")},
            "phase": self.phase,
            "outcome": self.outcome,
            "decidedBy": decided,
            "endedAt": self.ended_at,
            "steps": [step.document() for step in self.steps],
            "evidence": _evidence_document(self.evidence),
            "timeline": [
                {"at": m.at, "kind": m.kind, "reason": m.reason or None, "text": m.text}
                for m in self.moments
            ],
            "problems": list(self.problems),
        }


def story_of(rows: Sequence[Row]) -> Story:
    """The story of a record's rows. Raises Terminal(RecordUnreadable)."""
    found = replay(rows)
    teller = _Teller()
    for row in rows:
        teller.take(row)
    now = figures(found.evidence) or teller.evidence
    if teller.steps and teller.steps[-1].until is None:
        teller.steps[-1].evidence = now
    return Story(
        begin=teller.begin,
        moments=tuple(teller.moments),
        steps=tuple(teller.steps),
        evidence=now,
        phase=teller.phase,
        decided=teller.decided,
        rule=teller.rule,
        ended_at=teller.ended_at,
        problems=found.problems,
    )


@dataclass
class _Teller:
    """A story in the making."""

    begin: dict[str, Any] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    evidence: dict[str, list[float | None]] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    phase: str = "Starting"
    decided: Moment | None = None
    rule: str = ""
    ended_at: str | None = None
    held_since: str = ""

    def take(self, row: Row) -> None:
        body = row.body
        match row.kind:
            case "begin":
                self.begin = body
                if body.get("late"):
                    self._say(row, "The record begins here; what came before was not recorded.")
            case "spec":
                if self.spec:
                    self._say(row, f"The Rollout was edited: {_changes(self.spec, body['spec'])}.")
                self.spec = body["spec"]
            case "evidence":
                self.levels = body.get("levels", {})
            case "batch" | "merged":
                self._batch(row)
            case "gap":
                self._say(row, f"No batch, {body['reason']}: {body['message']}.", body["reason"])
            case "hold":
                self._hold(row)
            case "weight":
                self._say(row, f"The weight went from {body['from']} to {body['to']} %.")
            case "command":
                by = f"{body['by']} sent" if body.get("by") else "Somebody sent"
                self._say(row, f"{by} {body['verb']}: {body['result']}.", body["verb"])
            case "lost":
                self._say(row, f"Rows are missing before this: {body.get('why')}.")
            case "transition":
                self._transition(row)
            case "end":
                self.ended_at, self.phase = row.at, body["phase"]
                self._close(row)

    def _say(self, row: Row, text: str, reason: str = "") -> None:
        text = text.removesuffix(".").rstrip(".") + "."
        names = (self.begin.get("candidate"), self.begin.get("stable"))
        if row.kind != "command" and not text.startswith(tuple(n for n in names if n)):
            text = text[0].upper() + text[1:]
        self.moments.append(Moment(row.at, row.kind, text, reason))

    def _batch(self, row: Row) -> None:
        if not self.steps:
            return
        step, body = self.steps[-1], row.body
        step.seconds = round(step.seconds + body["s"], 3)
        step.batches += int(body.get("count", 1))
        step.copies = step.copies or bool(body.get("shadow"))
        for into, arm in ((step.candidate, body["candidate"]), (step.stable, body["stable"])):
            into[0] += arm[1]
            into[1] += arm[0]

    def _hold(self, row: Row) -> None:
        reason = row.body.get("reason")
        if reason:
            self.held_since = row.at
            self._say(row, f"It waited, {reason}: {row.body.get('message', '')}.", reason)
        elif self.held_since:
            waited = span(seconds_between(self.held_since, moment(row.at)))
            self._say(row, f"It went on after {waited}.")

    def _transition(self, row: Row) -> None:
        body = row.body
        reason, message = str(body["reason"]), str(body["message"])
        before, self.phase = self.phase, str(body["to"])
        self.evidence = body.get("evidence", self.evidence)
        self._say(row, _sentence(reason, message, self.begin), reason)
        if reason == "StepReached":
            self._close(row)
            self.steps.append(Step(message, int(body.get("weight", 0)), row.at))
        elif reason == "BakingStarted":
            self.steps.append(Step("baking", 100, row.at))
        elif self.phase in ("Promoting", "RollingBack") and before != self.phase:
            self._close(row)
            self.decided = self.moments[-1]
            self.rule = self._rule_of(reason, body)

    def _close(self, row: Row) -> None:
        if self.steps and self.steps[-1].until is None:
            self.steps[-1].until = row.at
            self.steps[-1].evidence = self.evidence

    def _rule_of(self, reason: str, body: dict[str, Any]) -> str:
        analysis = self.spec.get("analysis", {})
        words: dict[str, Any] = {
            "promote": self.levels.get("promote", 0.0),
            "rollback": self.levels.get("rollback", 0.0),
            "guard": self.levels.get("guard", 0.0),
            "metric": body.get("verdict", {}).get("metric", "a guard"),
            "min_requests": analysis.get("minRequests"),
            "deadline": self.spec.get("deadline"),
            "hold": self.spec.get("holds", {}).get("deadline"),
        }
        named = {each.get("name"): each for each in analysis.get("metrics", [])}
        if reason == "GuardBroken" and named.get(words["metric"], {}).get("type") == "Value":
            return f"the condition of {words['metric']} failed as often as it may"
        if reason == "GuardBroken" and body.get("from") == "Baking":
            return f"{words['metric']} broke a limit by itself, while what was promoted baked"
        return _RULES.get(reason, "").format(**words)


def _sentence(reason: str, message: str, begin: dict[str, Any]) -> str:
    """A change of phase in a sentence."""
    candidate, stable = begin.get("candidate", "the candidate"), begin.get("stable") or "stable"
    match reason:
        case "AttemptStarted":
            return f"It began: {candidate} was to take the place of {stable}."
        case "FastRollback":
            return f"It began: {message}."
        case "WarmedUp":
            return "Warm-up was over. What stable did before was frozen, and counting began."
        case "EvidencePromotes":
            return f"The evidence was for the candidate: {message}."
        case "EvidenceRollsBack":
            return f"The evidence was against the candidate: {message}."
        case "GuardBroken":
            return f"The candidate broke a limit: {message}."
    return f"{message}."


def _changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two specs, by path."""
    paths = sorted(_differing(before, after, ""))
    return ", ".join(paths) or "nothing that is recorded"


def _differing(before: Any, after: Any, path: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            inside = f"{path}.{key}" if path else key
            found += _differing(before.get(key), after.get(key), inside)
        return found
    if before == after:
        return []
    if isinstance(after, dict | list) or isinstance(before, dict | list):
        return [f"spec.{path}"]
    return [f"spec.{path} from {before} to {after}"]


def _evidence_document(evidence: dict[str, list[float | None]]) -> list[dict[str, Any]]:
    return [
        {
            "metric": metric,
            "candidate": {"bad": found[2], "n": found[3]},
            "stable": {"bad": found[4], "n": found[5]},
            "rollbackPercent": found[0],
            "promotePercent": found[1],
        }
        for metric, found in evidence.items()
    ]
