"""Answers of single metrics as JSON and back, so that a record can be recomputed offline.

Owns that form: `[kind, end, …]` for each metric. What an answer means is its type's to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.domain.evidence.batch import Paired, Predicted, Rated, Reading, Unseen
from tidegate.domain.times import moment, stamp
from tidegate.stats import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.domain.evidence.batch import Answer


def to_json(answers: Mapping[str, Answer]) -> dict[str, list[Any]]:
    """Answers by metric, without NaN or infinity."""
    return {name: _written(answer) for name, answer in answers.items()}


def from_json(known: Mapping[str, Sequence[Any]]) -> dict[str, Answer]:
    """What `to_json` wrote.

    :raises ValueError, TypeError, IndexError, AttributeError: it is something else.
    """
    return {name: _read(listed) for name, listed in known.items()}


def _written(answer: Answer) -> list[Any]:
    match answer:
        case Unseen(reason=reason, message=message):
            return ["unseen", reason, message]
        case Rated():
            requests = list(answer.requests) if answer.requests else None
            counts = [_pair(answer.candidate), _pair(answer.stable)]
            others = {name: _pair(found) for name, found in answer.others.items()}
            return ["rated", stamp(answer.end), *counts, requests, *([others] if others else [])]
        case Paired():
            return ["paired", stamp(answer.end), _pair(answer.pairs)]
        case Reading():
            return ["reading", stamp(answer.end), repr(answer.value), answer.holds]
        case Predicted():
            arms = [
                {output: dict(bins) for output, bins in arm.items()}
                for arm in (answer.candidate, answer.stable)
            ]
            return ["predicted", stamp(answer.end), *arms]


def _read(listed: Sequence[Any]) -> Answer:
    kind, first, *rest = listed
    match kind:
        case "unseen":
            return Unseen(first, rest[0])
        case "rated":
            requests = (float(rest[2][0]), float(rest[2][1])) if rest[2] else None
            others = rest[3] if len(rest) > 3 else {}
            counts = {name: Counts(*found) for name, found in others.items()}
            return Rated(moment(first), Counts(*rest[0]), Counts(*rest[1]), requests, counts)
        case "paired":
            return Paired(moment(first), Counts(*rest[0]))
        case "reading":
            return Reading(moment(first), float(rest[0]), bool(rest[1]))
        case "predicted":
            return Predicted(moment(first), rest[0], rest[1])
    raise ValueError(f"{kind!r} is no kind of answer")


def _pair(counts: Counts) -> list[float]:
    return [counts.bad, counts.n]
