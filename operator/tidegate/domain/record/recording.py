"""What a look adds to the decision record of its attempt: found by comparing before and after.

Pure, and apart from the engine: whatever the engine decides, the rows say it. Rows are stored in
the very status that they explain (`status.records`); `controllers/archive.py` writes them to
ConfigMaps, and the next look drops what was written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidegate.api.record_status import OpenRecord
from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Batch, Unseen
from tidegate.domain.record.contests import (
    checked_weights,
    contest_figures,
    taking_part,
    under_way,
)
from tidegate.domain.record.judging import figures, frozen_states, judged
from tidegate.domain.record.rows import Kind, Row, batch_body, packed, read_row, unpacked
from tidegate.domain.rollout.transitions import IDLE
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.rollout_status import Attempt, Evidence, RolloutStatus, Transition
    from tidegate.domain.rollout.facts import Decision, Declared, Facts, Timing

_BEGINNINGS = ("AttemptStarted", "FastRollback", "WinnerAdopted")
_RECORDS_KEPT_OPEN = 3
_NOT_COUNTED = frozenset(
    {"Aborted", "CandidateFailed", "CandidateUnavailable", "Reset", "StatusLost", "Superseded"}
)
"""Reasons that come before any batch of a look is taken."""
_ROWS_WAITING, _BYTES_WAITING, _ROWS_KEPT = 45, 4000, 10
"""What may wait in a status while a ConfigMap cannot be written, and what stays of it then."""
FLUSH_ROWS = 20
"""Rows that are written together."""
FLUSH_BYTES = 1500
"""Bytes of rows in a status above which they are written, however few they are."""


@dataclass(frozen=True)
class Written:
    """How far a record's ConfigMap was written: its last row, and the bytes of all of them."""

    seq: int
    size: int


def is_due(record: OpenRecord) -> bool:
    """Whether rows are to be written now: some batches at a time, and everything at the end."""
    if not record.rows:
        return record.ended
    return record.ended or len(record.rows) >= FLUSH_ROWS or _weight(record) >= FLUSH_BYTES


def recorded(
    declared: Declared,
    facts: Facts,
    timing: Timing,
    decision: Decision,
    *,
    written: Mapping[str, Written],
) -> Decision:
    """The decision with its rows in the status. `written` says which rows of before have been
    written, by the name of their record."""
    after = decision.rollout
    if after is None:
        return decision
    look = _Look(declared, facts, timing, after)
    books = [_Book(found) for found in _kept(declared.status.records, written)]
    current = next((book for book in books if not book.record.ended), None)
    old, new = look.transitions()
    if current is None and look.goes_on:
        books.append(current := look.begin(declared.status, late=True))
    if current is not None:
        look.tell(current, old, ends=bool(new) or after.phase in IDLE)
    if new:
        books.append(current := look.begin(after, late=False))
        look.tell_start(current, new, ends=after.phase in IDLE)
    records = [book.record for book in books][-_RECORDS_KEPT_OPEN:]
    return replace(decision, rollout=after.model_copy(update={"records": records}))


def abandoned(record: OpenRecord, at: str, *, unseen: bool) -> OpenRecord:
    """A record whose Rollout was deleted, with its end. `unseen`: nobody looked then, so that rows
    may have gone with its status."""
    book = _Book(record)
    if unseen:
        book.add("lost", at, {"why": "the Rollout was deleted, and rows that waited in its status"})
    book.end(at, "Deleted")
    return book.record


def record_name(model: str, attempt: Attempt) -> str:
    """The ConfigMap of an attempt: told by Model and number, and unique where numbers come again
    because a Rollout was made anew."""
    text = f"{attempt.number} {attempt.key} {attempt.started_at}"
    return f"{model}-attempt-{attempt.number}-{hashlib.sha256(text.encode()).hexdigest()[:5]}"


class _Book:
    """A record that rows are added to."""

    def __init__(self, record: OpenRecord) -> None:
        self.record = record

    def add(self, kind: Kind, at: str, body: dict[str, Any]) -> None:
        seq = self.record.seq + 1
        line = Row(seq, kind, at, body).line()
        size = self.record.size + len(line.encode()) + 1
        self.set(seq=seq, rows=[*self.record.rows, packed(line)], size=size)

    def end(self, at: str, phase: str) -> None:
        """Say how the attempt ended; nothing is added after that."""
        self.add("end", at, {"phase": phase})
        self.set(ended=True)

    @property
    def overflows(self) -> bool:
        """Whether so many rows wait that a status could grow too large, and dropping some helps:
        just after that it does not, where those that must stay are large."""
        rows = self.record.rows
        many = len(rows) >= _ROWS_WAITING or _weight(self.record) >= _BYTES_WAITING
        return many and all(read_row(unpacked(row)).kind != "lost" for row in rows[-_ROWS_KEPT:])

    def shorten(self) -> None:
        """Drop older rows that wait: their numbers will be missing, and a reader sees that. What
        the others cannot be read without stays."""
        older, latest = self.record.rows[:-_ROWS_KEPT], self.record.rows[-_ROWS_KEPT:]
        needed = [row for row in older if read_row(unpacked(row)).kind in ("begin", "spec")]
        self.set(rows=[*needed[:1], *needed[1:][-2:], *latest])

    def set(self, **changes: Any) -> None:
        self.record = self.record.model_copy(update=changes)


@dataclass(frozen=True)
class _Look:
    """One look at a Rollout: what was declared and seen, and the status that came of it."""

    declared: Declared
    facts: Facts
    timing: Timing
    after: RolloutStatus

    @property
    def before(self) -> RolloutStatus:
        return self.declared.status

    @property
    def now(self) -> str:
        return stamp(self.timing.now)

    @property
    def goes_on(self) -> bool:
        """Whether an attempt was under way before this look."""
        return self.before.attempt is not None and self.before.phase not in (None, *IDLE)

    def transitions(self) -> tuple[list[Transition], list[Transition]]:
        """The changes of phase, oldest first: of the attempt before, and of one that begins."""
        made = list(reversed(newer(self.before.history, self.after.history)))
        if self.after.attempts <= self.before.attempts:
            return made, []
        at = next((i for i, entry in enumerate(made) if entry.reason in _BEGINNINGS), len(made))
        return made[:at], made[at:]

    def begin(self, status: RolloutStatus, *, late: bool) -> _Book:
        """Open the record of an attempt. `late`: it was under way before anything was recorded."""
        attempt = status.attempt
        assert attempt is not None, "a record is about an attempt"
        book = _Book(
            OpenRecord(name=record_name(self.facts.model, attempt), attempt=attempt.number)
        )
        stable = self.facts.delivery.stable if late else _stable(status)
        body = {
            "model": self.facts.model,
            "rollout": self.declared.name,
            "attempt": attempt.number,
            "key": attempt.key,
            "startedAt": attempt.started_at,
            "stable": stable,
            "candidate": attempt.revision,
            "digest": attempt.digest,
            "modelGeneration": attempt.model_generation,
        }
        book.add("begin", self.now, {**body, "late": True} if late else body)
        self._tell_spec(book)
        if late and status.evidence:
            self._tell_evidence(book, status, why="late")
        return book

    def tell(self, book: _Book, transitions: Sequence[Transition], *, ends: bool) -> None:
        """What this look did to an attempt that was under way."""
        if book.overflows:
            book.shorten()
            book.add("lost", self.now, {"why": "the ConfigMap could not be written"})
            if self.before.evidence:
                self._tell_evidence(book, self.before, why="lost")
        self._tell_spec(book)
        self._tell_command(book)
        counted = self._tell_batch(book, transitions)
        if self._evidence_jumped(transitions, counted=counted) or self._arms_changed():
            self._tell_evidence(book, self.after, why=_why(transitions))
        self._tell_moves(book, transitions, self._evidence_then(counted=counted))
        if ends:
            book.end(self.now, transitions[-1].to if transitions else "Pending")

    def tell_start(self, book: _Book, transitions: Sequence[Transition], *, ends: bool) -> None:
        """What began an attempt."""
        asked = self.after.last_command
        if asked is not None and asked.verb == "retry" and asked.result == "Done":
            before = self.before.history[0].at if self.before.history else ""
            if not before or moment(asked.at) >= moment(before):
                self._command(book)
        self._tell_moves(book, transitions, self.after.evidence)
        if ends:
            book.end(self.now, self.after.phase or "Pending")

    # -- rows of one kind each -------------------------------------------------------------------

    def _tell_spec(self, book: _Book) -> None:
        spec = self.declared.spec.wire()
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
        found = hashlib.sha256(text.encode()).hexdigest()[:12]
        if found != book.record.spec:
            book.add("spec", self.now, {"generation": self.declared.generation, "spec": spec})
            book.set(spec=found)

    def _tell_command(self, book: _Book) -> None:
        if self.after.last_command is not None and (
            self.before.last_command is None
            or self.before.last_command.id != self.after.last_command.id
        ):
            self._command(book)

    def _command(self, book: _Book) -> None:
        asked = self.after.last_command
        assert asked is not None
        wire = asked.wire()
        book.add("command", asked.at, {key: wire[key] for key in ("id", "verb", "by", "result")})

    def _tell_batch(self, book: _Book, transitions: Sequence[Transition]) -> bool:
        """The batch that was counted, or why there was none. Returns whether one was counted."""
        seen = self.facts.observation
        if isinstance(seen, Batch) and self._counted(seen, transitions):
            body = batch_body(seen)
            weights = checked_weights(self.before, self.after)
            if weights is not None:
                body["weights"] = weights
            book.add("batch", stamp(seen.end), body)
            book.set(gap="")
            return True
        missing = seen if seen is not None else self.facts.baseline
        if isinstance(missing, Unseen) and missing.reason != book.record.gap:
            step = self.before.step
            since = step.last_batch_end if step is not None else None
            body = {"reason": missing.reason, "message": missing.message[:300], "since": since}
            book.add("gap", self.now, {k: v for k, v in body.items() if v is not None})
            book.set(gap=missing.reason)
        return False

    def _counted(self, batch: Batch, transitions: Sequence[Transition]) -> bool:
        """Whether the engine took a batch: the evidence or the end of what is counted moved."""
        before, after = self.before, self.after
        if not before.evidence or before.step is None:
            return False
        was = before.step.last_batch_end
        if not after.evidence:  # the next attempt began in this very look
            begun = after.attempts > before.attempts and was is not None
            first = transitions[0].reason if transitions else "Superseded"
            return begun and first not in _NOT_COUNTED and batch.end > moment(was or self.now)
        end = stamp(batch.end)
        now = after.step.last_batch_end if after.step is not None else None
        return self._evidence_changed() or (now == end and was != end)

    def _evidence_then(self, *, counted: bool) -> Sequence[Evidence]:
        """The evidence that the changes of an attempt were decided on."""
        if self.after.evidence or not counted:
            return self.after.evidence or self.before.evidence
        return self._counted_up()

    def _evidence_changed(self) -> bool:
        after = _states(self.after.evidence)
        return bool(after) and _states(self.before.evidence) != after

    def _evidence_jumped(self, transitions: Sequence[Transition], *, counted: bool) -> bool:
        """Whether the evidence is another than the batch made it: begun, baked, mended. With a
        batch that is looked into only where something was decided, which is where it happens."""
        if not counted:
            return self._evidence_changed()
        if not transitions or not self.after.evidence:
            return False
        return _states(self._counted_up()) != _states(self.after.evidence)

    def _arms_changed(self) -> bool:
        """Whether a test between arms began in this attempt, or somebody left it."""
        before, after = self.before, self.after
        if after.attempts > before.attempts or not after.evidence or under_way(after) is None:
            return False
        opened = under_way(before) is None
        return opened or taking_part(after.contest) != taking_part(before.contest)

    def _counted_up(self) -> Sequence[Evidence]:
        """The evidence of before with the batch of this look."""
        seen = self.facts.observation
        assert isinstance(seen, Batch)
        return evidences.update(self.before.evidence, self.declared.spec.analysis, seen)

    def _tell_evidence(self, book: _Book, status: RolloutStatus, *, why: str) -> None:
        analysis = self.declared.spec.analysis
        if not evidences.readable(status.evidence, analysis):
            return  # of other metrics, before an edit: nothing is decided on it any more
        body = {"why": why, **frozen_states(status.evidence, analysis)}
        contest = under_way(status)
        if contest is not None:
            body["contest"] = contest.wire()
        book.add("evidence", self.now, body)

    def _tell_moves(
        self, book: _Book, transitions: Sequence[Transition], evidence: Sequence[Evidence]
    ) -> None:
        """Changes of phase with what was known then, and of weight and hold without one."""
        if transitions:
            known: dict[str, Any] = {"weight": _weight_of(self.after), "ready": self._ready()}
            verdict = judged(evidence, self.declared.spec.analysis)
            if verdict is not None:
                known |= {"verdict": verdict, "evidence": figures(evidence)}
            contest = under_way(self.after)
            if contest is not None:
                known["contest"] = contest_figures(contest)
            for entry in transitions:
                body = {key: value for key, value in entry.wire().items() if key != "at"}
                book.add("transition", entry.at, {**body, **known})
            return
        was, now = _weight_of(self.before), _weight_of(self.after)
        if was != now:
            book.add("weight", self.now, {"from": was, "to": now, "ready": self._ready()})
        held, holds = self.before.hold, self.after.hold
        if (held.reason if held else None) != (holds.reason if holds else None):
            body = {"reason": holds.reason, "message": holds.message[:300]} if holds else {}
            book.add("hold", self.now, body)

    def _ready(self) -> dict[str, int]:
        """Ready pods of each arm as they were found."""
        return {arm.name: arm.ready for arm in self.after.arms}


def _kept(records: Sequence[OpenRecord], written: Mapping[str, Written]) -> list[OpenRecord]:
    """The records without what has been written; those that are whole are no longer needed."""
    kept = []
    for record in records:
        done = written.get(record.name)
        if done is not None:
            left = record.seq - done.seq
            if record.ended and left <= 0:
                continue
            rows = record.rows[-left:] if left > 0 else []
            size = done.size + sum(len(row) + 1 for row in rows)
            record = record.model_copy(update={"rows": rows, "size": size})
        kept.append(record)
    return kept


def newer(before: Sequence[Transition], after: Sequence[Transition]) -> list[Transition]:
    """What stands in a history (newest first) that did not before."""
    for made in range(len(after) + 1):
        rest = list(after[made:])
        if rest == list(before[: len(rest)]):
            return list(after[:made])
    return list(after)


def _states(evidence: Sequence[Evidence]) -> list[tuple[str, str]]:
    return [(entry.metric, entry.state) for entry in evidence]


def _why(transitions: Sequence[Transition]) -> str:
    return "start" if any(entry.reason == "WarmedUp" for entry in transitions) else "changed"


def _weight_of(status: RolloutStatus) -> int:
    return next((arm.weight for arm in status.arms if arm.name == "candidate"), 0)


def _stable(status: RolloutStatus) -> str | None:
    return next((arm.revision for arm in status.arms if arm.name == "stable"), None)


def _weight(record: OpenRecord) -> int:
    return sum(len(row) for row in record.rows)
