"""The ConfigMap of a decision record: parts that count once, and what is no record."""

from __future__ import annotations

import pytest

from tidegate.api.record_status import OpenRecord
from tidegate.domain.record import Row, packed
from tidegate.errors import Terminal
from tidegate.specs.metadata import Parent
from tidegate.specs.record import attempt_of, new_part, one_part, record_head, rows_of, size_of

PARENT = Parent("m", "demo", {"kind": "Model", "name": "m"})
AT = "2026-01-05T12:00:00Z"


def rows(first: int, last: int) -> list[Row]:
    return [Row(n, "gap", AT, {"reason": "NoData"}) for n in range(first, last + 1)]


def waiting(found: list[Row]) -> OpenRecord:
    return OpenRecord(name="m-attempt-3-abcde", attempt=3, rows=[packed(r.line()) for r in found])


def test_rows_come_back_in_order_and_once() -> None:
    record = record_head(PARENT, waiting([]), rollout="r")
    for part in (rows(1, 5), rows(6, 8), rows(6, 9)):
        record["data"] |= new_part(waiting(part))
    status = [packed(row.line()) for row in rows(9, 11)]
    assert [row.seq for row in rows_of(record, waiting=status)] == list(range(1, 12))
    assert attempt_of(record) == 3


def test_a_part_that_was_written_again_after_a_merge_counts_once() -> None:
    merged = Row(8, "merged", AT, {"first": 1, "count": 8})
    record = record_head(PARENT, waiting([]), rollout="r")
    record["data"] |= one_part([merged, *rows(9, 10)]) | new_part(waiting(rows(6, 10)))
    assert [row.seq for row in rows_of(record)] == [8, 9, 10]


def test_long_rows_are_small_in_a_status_and_plain_in_the_record() -> None:
    long = Row(1, "spec", AT, {"spec": {"text": "metric " * 500}})
    record = waiting([long])
    assert len(record.rows[0]) < 200
    assert list(new_part(record).values()) == [long.line() + "\n"]
    assert size_of({"data": new_part(record)}) == len(long.line()) + 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "export one with kubectl"),
        ({"format": "tidegate.dev/record/v9"}, "tidegate.dev/record/v9"),
        ({"format": "tidegate.dev/record/v1", "rows-000001.jsonl": "nonsense\n"}, "is no row"),
        ({"format": "tidegate.dev/record/v1", "rows-000001.jsonl": '[1,"?","x",{}]\n'}, "no row"),
    ],
)
def test_what_is_no_record_is_refused_with_what_to_do(data: dict[str, str], says: str) -> None:
    with pytest.raises(Terminal, match="RecordUnreadable") as found:
        rows_of({"metadata": {}, "data": data})
    assert says in str(found.value)
