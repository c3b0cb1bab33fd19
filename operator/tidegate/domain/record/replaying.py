"""Recomputing an attempt from its record: the same evidence, the same verdicts, offline.

Pure: rows in, one check for each change of phase out. The functions that judge are the engine's
own; only the spec may be another (`change`), to see what another setting would have said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tidegate.api.contest_status import Contest
from tidegate.api.rollout import RolloutSpec
from tidegate.domain import evidence as evidences
from tidegate.domain.record.contests import contest_difference, counted
from tidegate.domain.record.judging import evidence_of, figures, judged
from tidegate.domain.record.rows import batch_of
from tidegate.domain.rollout.transitions import following
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.rollout_status import Evidence
    from tidegate.domain.evidence import Batch
    from tidegate.domain.record.rows import Row

_SHARE_TOLERANCE = 0.11
"""Per cent of what is needed: figures are stored to a tenth."""
_COUNT_TOLERANCE = 0.0015


@dataclass(frozen=True)
class Check:
    """One change of phase: what the record says was known, and what comes out again.

    `exact`: every batch before it is in the record. `problem` is empty when both agree.
    """

    row: Row
    recorded: dict[str, str] | None
    recomputed: dict[str, str] | None
    exact: bool
    problem: str = ""


@dataclass(frozen=True)
class First:
    """The first batch at which a verdict came out."""

    verdict: str
    reason: str
    metric: str
    at: str
    requests: float


@dataclass(frozen=True)
class Replay:
    """What came out of a record."""

    checks: tuple[Check, ...] = ()
    firsts: tuple[First, ...] = ()
    batches: int = 0
    evidence: tuple[Evidence, ...] = ()
    analysis: Analysis | None = None
    problems: tuple[str, ...] = ()
    """What in the record itself is missing or broken."""

    @property
    def same(self) -> bool:
        """Whether every verdict that can be recomputed exactly came out as recorded."""
        return not self.problems and not any(c.problem for c in self.checks if c.exact)


def replay(rows: Sequence[Row], *, change: Callable[[Analysis], Analysis] | None = None) -> Replay:
    """Recompute the evidence and the verdicts of a record.

    `change` makes another analysis of each that was in force: what it would have said. Raises
    Terminal(RecordUnreadable) when rows are not what they should be.
    """
    run = _Run(change)
    for row in rows:
        run.take(row)
    return Replay(
        checks=tuple(run.checks),
        firsts=tuple(run.firsts.values()),
        batches=run.batches,
        evidence=tuple(run.evidence),
        analysis=run.analysis,
        problems=tuple(run.problems),
    )


@dataclass
class _Run:
    """A replay under way."""

    change: Callable[[Analysis], Analysis] | None
    spec: RolloutSpec | None = None
    analysis: Analysis | None = None
    evidence: list[Evidence] = field(default_factory=list)
    contest: Contest | None = None
    arms: tuple[str, str] = ("", "")
    exact: bool = True
    whole: bool = True
    last: int = 0
    batches: int = 0
    phase: str | None = None
    checks: list[Check] = field(default_factory=list)
    firsts: dict[str, First] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, row: Row) -> None:
        first = int(row.body.get("first", row.seq))
        if first != self.last + 1:
            self.problems.append(f"rows {self.last + 1} to {first - 1} are missing")
            self.exact = False
        self.last = row.seq
        match row.kind:
            case "begin":
                self.arms = (str(row.body.get("stable")), str(row.body.get("candidate")))
            case "spec":
                self._spec(row)
            case "evidence":
                self._evidence(row)
            case "batch" | "merged":
                self._batch(row)
            case "transition":
                self._transition(row)
            case "lost":
                self.exact = False

    def _spec(self, row: Row) -> None:
        try:
            spec = RolloutSpec.model_validate(row.body["spec"])
        except (KeyError, ValidationError) as error:
            raise Terminal(
                "RecordUnreadable",
                f"row {row.seq} has a spec that this tidegate does not know; use the release that"
                f" wrote it: {error}",
            ) from error
        self.analysis = self.change(spec.analysis) if self.change else spec.analysis
        self.spec = spec.model_copy(update={"analysis": self.analysis})

    def _evidence(self, row: Row) -> None:
        if self.analysis is None:
            self.problems.append(f"the spec before row {row.seq} is missing")
            return
        self.evidence = evidence_of(row.body.get("states", {}), self.analysis)
        if "contest" in row.body:
            self.contest = Contest.model_validate(row.body["contest"])
        self.exact = True

    def _batch(self, row: Row) -> None:
        self.batches += int(row.body.get("count", 1))
        if row.kind == "merged":
            self.exact = False
        if self.analysis is None or not self.evidence:
            self.exact = False
            return
        batch = batch_of(row)
        try:
            self.evidence = evidences.update(self.evidence, self.analysis, batch)
            self._count_arms(row, batch)
        except (ArithmeticError, LookupError, ValueError) as error:
            raise Terminal(
                "RecordUnreadable", f"row {row.seq} does not fit the evidence before it: {error!r}"
            ) from error
        self._note_first(row)

    def _count_arms(self, row: Row, batch: Batch) -> None:
        """Add a batch to the test between arms, where there is one."""
        if self.contest is None or self.spec is None or row.kind == "merged":
            return
        self.contest = counted(
            self.contest,
            batch,
            evidence=self.evidence,
            spec=self.spec,
            arms=self.arms,
            weights=row.body.get("weights"),
        )

    def _note_first(self, row: Row) -> None:
        """Remember when each verdict came out first."""
        assert self.analysis is not None
        found = judged(self.evidence, self.analysis)
        if found is None or found["verdict"] == "Continue" or found["verdict"] in self.firsts:
            return
        requests = evidences.promotion_requests(self.evidence)
        self.firsts[found["verdict"]] = First(
            verdict=found["verdict"],
            reason=found["reason"],
            metric=found["metric"],
            at=row.at,
            requests=requests,
        )

    def _transition(self, row: Row) -> None:
        recorded = row.body.get("verdict")
        recomputed = None
        if self.analysis is not None and recorded is not None:
            recomputed = judged(self.evidence, self.analysis)
        problem = self._table(row) or _difference(row.body, recomputed, self.evidence)
        if not problem and "contest" in row.body:
            problem = contest_difference(row.body["contest"], self.contest, near=_SHARE_TOLERANCE)
        self.checks.append(Check(row, recorded, recomputed, self.exact, problem))

    def _table(self, row: Row) -> str:
        """Why a change of phase cannot be; empty when the table has it."""
        before, after = str(row.body.get("from")), str(row.body.get("to"))
        if self.phase is not None and self.phase != before:
            return f"it was {self.phase} before, not {before}"
        self.phase = after
        try:
            follows = following(before, str(row.body.get("reason")))
        except ValueError as error:
            return str(error)
        return "" if follows == after else f"{before} leads to {follows}, not {after}"


def _difference(
    body: dict[str, Any], recomputed: dict[str, str] | None, evidence: Sequence[Evidence]
) -> str:
    """How what came out differs from what a row says; empty when it does not."""
    recorded = body.get("verdict")
    if recorded is None:
        return ""
    if recomputed is None:
        return "no verdict can be recomputed here"
    if recorded != recomputed:
        return f"recorded {_words(recorded)}, recomputed {_words(recomputed)}"
    now = figures(evidence)
    for metric, said in body.get("evidence", {}).items():
        found = now.get(metric)
        if found is None or not all(
            _near(a, b, _SHARE_TOLERANCE if i < 2 else _COUNT_TOLERANCE)
            for i, (a, b) in enumerate(zip(said, found, strict=False))
        ):
            return f"{metric}: recorded {said}, recomputed {found}"
    return ""


def _near(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= tolerance


def _words(verdict: dict[str, str]) -> str:
    metric = f" ({verdict['metric']})" if verdict.get("metric") else ""
    return f"{verdict['verdict']}, {verdict['reason']}{metric}"
