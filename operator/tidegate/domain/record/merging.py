"""Making a long record shorter without losing a verdict (statistics 1.1).

Batches that follow each other at one weight are added up. For a guard that changes nothing, and
for the ratio of rates nothing while both arms get the same share; for the difference of rates it
changes a little, because each batch is held against what was known before it. So a merged part is
followed by the evidence as it really was at its end: every verdict after it is recomputed exactly,
those inside only nearly, and rows of kind `merged` say which these are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.domain.record.judging import frozen_states
from tidegate.domain.record.replaying import replay
from tidegate.domain.record.rows import Row, whole
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCHES_TOGETHER = 60
"""The most batches that become one row."""
_MERGED = ("batch", "merged")


def shortened(rows: Sequence[Row]) -> list[Row]:
    """The same record with the older half of its batches merged; as it is when there is nothing to
    merge. Raises Terminal(RecordUnreadable)."""
    listed = [i for i, row in enumerate(rows) if row.kind in _MERGED]
    if len(listed) < 4:
        return list(rows)
    cut = listed[len(listed) // 2]
    head, tail = list(rows[:cut]), list(rows[cut:])
    short = _merged(_without_checkpoints(head))
    if len(short) + 1 >= len(head):
        return list(rows)
    return [*_checkpointed(head, short), *tail]


def _without_checkpoints(head: Sequence[Row]) -> list[Row]:
    """Rows without the evidence after parts that were merged before: the merged row before it takes
    its number back."""
    found: list[Row] = []
    for row in head:
        if row.kind == "evidence" and row.body.get("why") == "merged":
            found[-1] = Row(row.seq, "merged", found[-1].at, found[-1].body)
        else:
            found.append(row)
    return found


def _checkpointed(head: Sequence[Row], short: list[Row]) -> list[Row]:
    """The merged rows with the evidence as it really was after the last of them, which frees a
    number for it."""
    at = next((i for i in reversed(range(len(short))) if short[i].kind == "merged"), None)
    if at is None:
        return list(head)
    last = short[at]
    found = replay([row for row in head if row.seq <= last.seq])
    if found.analysis is None:
        return list(head)
    body = {"why": "merged", **frozen_states(found.evidence, found.analysis)}
    short[at : at + 1] = [
        Row(last.seq - 1, "merged", last.at, last.body),
        Row(last.seq, "evidence", last.at, body),
    ]
    return short


def _merged(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        if found and _together(found[-1], row):
            found[-1] = _sum(found[-1], row)
        else:
            found.append(row)
    return found


def _together(one: Row, other: Row) -> bool:
    """Whether two rows are batches of one kind that follow each other without a gap."""
    if one.kind not in _MERGED or other.kind not in _MERGED:
        return False
    count = int(one.body.get("count", 1)) + int(other.body.get("count", 1))
    between = (moment(other.at) - moment(one.at)).total_seconds() - other.body["s"]
    same = one.body.get("shadow") == other.body.get("shadow")
    shape = [_shape(row) for row in (one, other)]
    return same and shape[0] == shape[1] and abs(between) < 0.005 and count <= BATCHES_TOGETHER


def _shape(row: Row) -> list[tuple[int, int]]:
    return [(len(row.body[arm]), len(row.body[arm][2])) for arm in ("stable", "candidate")]


def _sum(one: Row, other: Row) -> Row:
    body: dict[str, Any] = {
        "first": one.body.get("first", one.seq),
        "count": int(one.body.get("count", 1)) + int(other.body.get("count", 1)),
        "s": whole(round(one.body["s"] + other.body["s"], 3)),
        **{arm: _arms(one.body[arm], other.body[arm]) for arm in ("stable", "candidate")},
    }
    if one.body.get("shadow"):
        body["shadow"] = True
    return Row(other.seq, "merged", other.at, body)


def _arms(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    added: list[Any] = []
    for a, b in zip(one, other, strict=True):
        added.append(_slow(a, b) if isinstance(a, list) else whole(round(a + b, 3)))
    return added


def _slow(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [whole(round(a + b, 3)) for a, b in zip(one, other, strict=True)]
