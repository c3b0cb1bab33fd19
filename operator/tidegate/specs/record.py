"""The ConfigMap of a decision record: its head, and the parts that rows are written in.

A part is one entry of `data`, named by the number of its first row. Writing a part again with the
same first row replaces it, so that it counts once however often it is sent. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.api.record_status import OpenRecord
from tidegate.domain.record import FORMAT, in_order, read_row, unpacked
from tidegate.errors import Terminal
from tidegate.specs.metadata import MANAGED_BY, MODEL_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.record import Row
    from tidegate.specs.metadata import Object, Parent

COMPONENT = "decision-record"
ATTEMPT_LABEL = "tidegate.dev/attempt"
ROLLOUT_LABEL = "tidegate.dev/rollout"
OPEN_LABEL = "tidegate.dev/record-open"
"""On a record until its attempt is over: what a Rollout that was deleted left is found by it."""
SELECTOR_LABELS = {**MANAGED_BY, "app.kubernetes.io/component": COMPONENT}
_FORMAT_KEY = "format"
_PART = "rows-"


def record_head(parent: Parent, record: OpenRecord, *, rollout: str) -> Object:
    """The ConfigMap of a record, without rows."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": record.name,
            "namespace": parent.namespace,
            "labels": {
                "app.kubernetes.io/name": parent.name,
                **SELECTOR_LABELS,
                MODEL_LABEL: parent.name,
                ROLLOUT_LABEL: rollout,
                ATTEMPT_LABEL: str(record.attempt),
                **({} if record.ended else {OPEN_LABEL: "true"}),
            },
            "ownerReferences": [parent.reference],
        },
        "data": {_FORMAT_KEY: FORMAT},
    }


def selector(model: str | None = None) -> str:
    """What selects the records of a Model, or all of them."""
    labels = dict(SELECTOR_LABELS) if model is None else {**SELECTOR_LABELS, MODEL_LABEL: model}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def open_selector(model: str) -> str:
    """What selects the records of a Model whose attempts are not over."""
    return f"{selector(model)},{OPEN_LABEL}=true"


def open_record(configmap: Object) -> OpenRecord:
    """What is known of a record that no status speaks of any more. Raises Terminal."""
    rows = rows_of(configmap)
    return OpenRecord(
        name=configmap["metadata"]["name"],
        attempt=attempt_of(configmap),
        seq=rows[-1].seq if rows else 0,
        size=size_of(configmap),
    )


def new_part(record: OpenRecord) -> dict[str, str]:
    """The rows that wait in a status, as one part; empty without any."""
    lines = [unpacked(row) for row in record.rows]
    return _part([read_row(lines[0])], lines) if lines else {}


def one_part(rows: Sequence[Row]) -> dict[str, str]:
    """Rows as one part."""
    return _part(rows, [row.line() for row in rows])


def _part(rows: Sequence[Row], lines: Sequence[str]) -> dict[str, str]:
    first = int(rows[0].body.get("first", rows[0].seq))
    return {f"{_PART}{first:06d}.jsonl": "".join(f"{line}\n" for line in lines)}


def parts_of(configmap: Object) -> list[str]:
    """The names of all parts of a record."""
    return sorted(key for key in configmap.get("data") or {} if key.startswith(_PART))


def size_of(configmap: Object) -> int:
    """Bytes of all rows of a record."""
    data = configmap.get("data") or {}
    return sum(len(data[key].encode()) for key in parts_of(configmap))


def rows_of(configmap: Object, *, waiting: Sequence[str] = ()) -> list[Row]:
    """The rows of a record by number, with those that still wait in the Rollout's status.

    Raises Terminal(RecordUnreadable) when it is no record of this format.
    """
    data: dict[str, Any] = configmap.get("data") or {}
    if data.get(_FORMAT_KEY) != FORMAT:
        raise Terminal(
            "RecordUnreadable",
            f"this is no decision record of format {FORMAT}: data.{_FORMAT_KEY} is"
            f" {data.get(_FORMAT_KEY)!r}; export one with kubectl get configmap NAME -o yaml",
        )
    lines = [line for key in parts_of(configmap) for line in data[key].splitlines()]
    lines += [unpacked(row) for row in waiting]
    return in_order(read_row(line) for line in lines)


def attempt_of(configmap: Object) -> int:
    """The number of the attempt that a record is about; 0 when its label does not say."""
    text = configmap["metadata"].get("labels", {}).get(ATTEMPT_LABEL, "")
    return int(text) if text.isdecimal() else 0
