"""The cases in which the embedded server differs, and why: `differences.json`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATH = Path(__file__).parent / "differences.json"
ON_PURPOSE = "on purpose"
NOT_IMPLEMENTED = "not implemented"
UNKNOWN = "?"


class Outcome(Enum):
    """What a replayed case counts as."""

    SAME = "same"
    ON_PURPOSE = ON_PURPOSE
    FAILED = "failed"


class Difference(NamedTuple):
    """That a case differs on purpose, or for want of an implementation, and why."""

    kind: str
    why: str


class Listed(dict[str, Difference]):
    """What is listed, by the label of the case."""

    @classmethod
    def load(cls) -> Listed:
        """Read the file."""
        data = json.loads(PATH.read_text())
        return cls({k: Difference(*entry) for k, entry in data.items()})


def outcome(label: str, differences: Sequence[str], listed: Listed) -> Outcome:
    """What a case counts as. A case that is listed and does not differ has failed as well."""
    entry = listed.get(label)
    if not differences:
        return Outcome.SAME if entry is None else Outcome.FAILED
    purpose = entry is not None and entry.kind == ON_PURPOSE
    return Outcome.ON_PURPOSE if purpose else Outcome.FAILED


def unexpected(results: Mapping[str, Sequence[str]], listed: Listed) -> list[str]:
    """What a run shows that the list does not say, and the other way round."""
    found = [
        f"{label}: {line}"
        for label, lines in results.items()
        if label not in listed
        for line in lines
    ]
    mended = [label for label, lines in results.items() if label in listed and not lines]
    return found + [f"{label}: is listed in {PATH.name}, but does not differ" for label in mended]


def relist(results: Mapping[str, Sequence[str]]) -> None:
    """Write the file anew after a run: without what does not differ, with what newly does."""
    listed = Listed.load()
    for label, lines in results.items():
        if not lines:
            listed.pop(label, None)
        elif label not in listed:
            listed[label] = Difference(NOT_IMPLEMENTED, UNKNOWN)
    rows = (f"  {json.dumps(k)}: {json.dumps(list(v))}" for k, v in sorted(listed.items()))
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n")
