"""The rows of a decision record: what they hold, and how they are written as text.

A row is one line of JSON, `[number, kind, time, content]`; docs/records.md describes every kind.
Nothing here decides what is recorded, and nothing is read from a cluster.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from tidegate.domain.evidence import Arm, Batch, answers
from tidegate.domain.times import moment, stamp
from tidegate.errors import Terminal
from tidegate.stats import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT = "tidegate.dev/record/v1"
"""Raised when a reader of the format before could not read what is written now."""

Kind = Literal[
    "begin", "spec", "evidence", "batch", "merged", "gap", "hold", "weight", "command",
    "transition", "lost", "end",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)

_PACK_ABOVE = 600
"""Characters above which a row is compressed while it stands in a status, which must stay small."""
_PACKED = "z"


@dataclass(frozen=True)
class Row:
    """One thing that happened in an attempt. `seq` counts up in a record, from 1."""

    seq: int
    kind: Kind
    at: str
    body: dict[str, Any]

    def line(self) -> str:
        """The row as a line of JSON, without its end."""
        content = [self.seq, self.kind, self.at, self.body]
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def read_row(line: str) -> Row:
    """The row of a line. Raises Terminal(RecordUnreadable) when it is none of this format."""
    try:
        seq, kind, at, body = json.loads(line)
        moment(at)
        if kind not in KINDS or not isinstance(seq, int) or not isinstance(body, dict):
            raise ValueError(f"{kind!r} is no kind of row")
        if not isinstance(body.get("first", seq), int):
            raise ValueError("its first row is no number")
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise Terminal(
            "RecordUnreadable",
            f"{line[:60]!r} is no row of format {FORMAT} ({error}); export the record again, or"
            " use the release of tidegate that wrote it",
        ) from error
    return Row(seq, kind, at, body)


def packed(line: str) -> str:
    """A line as it stands in a status: compressed when it is long."""
    if len(line) <= _PACK_ABOVE:
        return line
    return _PACKED + base64.b64encode(zlib.compress(line.encode(), 9)).decode()


def unpacked(text: str) -> str:
    """The line of what `packed` made. Raises Terminal(RecordUnreadable)."""
    if not text.startswith(_PACKED):
        return text
    try:
        return zlib.decompress(base64.b64decode(text[1:], validate=True)).decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        raise Terminal(
            "RecordUnreadable", f"a compressed row in the Rollout's status is broken: {error}"
        ) from error


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by number, each once: a part that was written twice counts once.

    A merged row stands for the numbers up to its own, so what it holds is dropped; so is the batch
    whose number the evidence after it has taken.
    """

    def place(row: Row) -> tuple[int, int, bool]:
        return int(row.body.get("first", row.seq)), -row.seq, row.kind != "evidence"

    found: list[Row] = []
    covered = 0
    for row in sorted(rows, key=place):
        if row.seq > covered:
            found.append(row)
            covered = row.seq
    return found


# -- batches -------------------------------------------------------------------------------------


def batch_body(batch: Batch) -> dict[str, Any]:
    """A batch as the content of a row; its end is the time of the row."""
    body: dict[str, Any] = {
        "s": whole(_seconds(batch)),
        "stable": _arm(batch.stable),
        "candidate": _arm(batch.candidate),
    }
    if batch.shadow:
        body["shadow"] = True
    if batch.others:
        body["others"] = {name: _arm(arm) for name, arm in batch.others.items()}
    if batch.users:
        body["users"] = {n: [whole(c.bad), whole(c.n)] for n, c in batch.users.items()}
    if batch.answers:
        body["answers"] = answers.to_json(batch.answers)
    return body


def batch_of(row: Row) -> Batch:
    """The batch of a row. Raises Terminal(RecordUnreadable)."""
    try:
        end = moment(row.at)
        return Batch(
            start=end - timedelta(seconds=row.body["s"]),
            end=end,
            stable=_arm_of(row.body["stable"]),
            candidate=_arm_of(row.body["candidate"]),
            shadow=bool(row.body.get("shadow")),
            answers=answers.from_json(row.body.get("answers", {})),
            others={name: _arm_of(arm) for name, arm in row.body.get("others", {}).items()},
            users={name: Counts(*found) for name, found in row.body.get("users", {}).items()},
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Terminal("RecordUnreadable", f"row {row.seq} is no batch: {error!r}") from error


def _seconds(batch: Batch) -> float:
    """What lies between the ends of a batch as they are stored, to the millisecond."""
    between = moment(stamp(batch.end)) - moment(stamp(batch.start))
    return round(between.total_seconds(), 3)


def whole(value: float) -> float:
    """The same number, as an integer where it is one: `250`, not `250.0`."""
    return int(value) if value == int(value) else value


def _arm(arm: Arm) -> list[Any]:
    """[requests, errors, [slower than each bound…]], and how many were timed when not all."""
    listed: list[Any] = [whole(arm.requests), whole(arm.errors), [whole(n) for n in arm.slow]]
    return listed if arm.timed is None else [*listed, whole(arm.timed)]


def _arm_of(listed: Sequence[Any]) -> Arm:
    requests, errors, slow, *timed = listed
    return Arm(
        requests=float(requests),
        errors=float(errors),
        slow=tuple(float(n) for n in slow),
        timed=float(timed[0]) if timed else None,
    )
