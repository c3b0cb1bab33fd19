"""Golden requests: recorded requests whose answers are known, replayed before any traffic.

Pure: reads what a ConfigMap holds, compares answers with it, judges. A key of the ConfigMap is a
JSON document `{"request": …, "expected": …}`, both as the Open Inference Protocol writes them, or a
list of such. Sending is for `controllers/golden.py`.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.api.base import format_duration
from tidegate.api.gate import GateResult
from tidegate.domain.gates.expectations import violations
from tidegate.domain.gates.results import gate_hash, number
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidegate.api.gate import Gate

INVALID = "GoldenInvalid"
REQUEST_LIMIT = 200
LATENCY_SENDS = 20
"""Requests that a latency is judged on, at least."""
DEFAULT_TOLERANCE = 1e-6
_SHOWN = 3
"""Differences that a message names."""


@dataclass(frozen=True)
class Golden:
    """One request by name, and the outputs that must come back: name to flat data and shape."""

    name: str
    body: Mapping[str, Any]
    expected: Mapping[str, Output]


@dataclass(frozen=True)
class Output:
    """Data of one output, row-major and flat; the shape where it is said."""

    data: Sequence[Any]
    shape: Sequence[int] | None = None


@dataclass(frozen=True)
class Answered:
    """What came back for a request: an HTTP status and a JSON body."""

    name: str
    status: int
    body: Any


@dataclass(frozen=True)
class Difference:
    """Where an answer is not what is expected, in words; `by` is how far, None where it is no
    number."""

    text: str
    by: float | None = None


def content_hash(entries: Mapping[str, str]) -> str:
    """The first 12 hex digits of the SHA-256 of what a ConfigMap holds."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()[:12]


def parse(entries: Mapping[str, str], *, name: str, recorded: bool = True) -> tuple[Golden, ...]:
    """The requests in a ConfigMap's `data`. Where nothing need be `recorded` of the answers, a
    request may be there alone. Raises Terminal (`GoldenInvalid`) naming the key."""
    found = [one for key in sorted(entries) for one in _of_key(key, entries[key], name, recorded)]
    if not found:
        raise Terminal(INVALID, f'ConfigMap {name} has no key with {{"request": …, "expected": …}}')
    if len(found) > REQUEST_LIMIT:
        raise Terminal(INVALID, f"ConfigMap {name} has {len(found)} requests, over {REQUEST_LIMIT}")
    return tuple(found)


def differences(golden: Golden, answer: Answered, *, tolerance: float) -> list[Difference]:
    """Where an answer is not what is expected; outputs that are not expected may be there."""
    if answer.status != 200:
        told = answer.body.get("error") if isinstance(answer.body, dict) else None
        return [Difference(f"{golden.name} was answered {answer.status}: {str(told)[:200]}")]
    try:
        outputs = _outputs(answer.body)
    except (TypeError, ValueError) as error:
        return [Difference(f"{golden.name} was answered with no outputs of the protocol: {error}")]
    return [
        one
        for output, expected in golden.expected.items()
        for one in _of_output(f"{golden.name}, {output}", expected, outputs.get(output), tolerance)
    ]


def outside(golden: Golden, answer: Answered, gate: Gate) -> list[str]:
    """Where an answer leaves what the gate expects of every answer; what is no answer at all is
    told by `differences`."""
    expected = gate.requests.outputs if gate.requests is not None else None
    try:
        outputs = _outputs(answer.body) if answer.status == 200 else {}
    except (TypeError, ValueError):
        outputs = {}
    if not outputs or not expected:
        return []
    data = {name: output.data for name, output in outputs.items()}
    return list(violations(golden.name, data, expected))


def largest(golden: Golden, answer: Answered) -> float:
    """The largest difference between numbers of an answer and what is expected; 0 without any."""
    found = differences(golden, answer, tolerance=-1.0)
    return max((one.by for one in found if one.by is not None), default=0.0)


def judge(
    gate: Gate,
    asked: Sequence[tuple[Golden, Answered]],
    seconds: Sequence[float],
    *,
    source: str,
) -> GateResult:
    """What the gate says of all answers, and of how long they took. The result has no time yet."""
    tolerance = tolerance_of(gate)
    wrong = [one for pair in asked for one in differences(*pair, tolerance=tolerance)]
    off = max((largest(*pair) for pair in asked), default=0.0)
    took = p95(seconds)
    slow = gate.max_latency is not None and took > gate.max_latency.total_seconds()
    times = f"p95 {_ms(took)}, median {_ms(_quantile(seconds, 0.5))} of {len(seconds)}"
    left = [text for pair in asked for text in outside(*pair, gate)]
    if wrong:
        shown = _shown([one.text for one in wrong])
        reason, message = "AnswersDiffer", f"{len(wrong)} answers differ: {shown}"
    elif left:
        reason, message = "AnswersOutside", f"{len(left)} values are outside: {_shown(left)}"
    elif slow and gate.max_latency is not None:
        reason = "TooSlow"
        message = f"p95 is over {format_duration(gate.max_latency)}: {times} requests"
    else:
        reason, message = "Passed", f"{len(asked)} requests as expected; {times} requests"
    bound = f"tolerance {number(tolerance)}"
    if gate.requests is not None and gate.requests.outputs:
        bound += f", {len(gate.requests.outputs)} expectations"
    if gate.max_latency is not None:
        bound += f", p95 max {format_duration(gate.max_latency)}"
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Passed" if reason == "Passed" else "Failed",
        reason=reason,
        value=took if reason == "TooSlow" else off,
        bound=bound,
        source=source[:512],
        message=message[:1024],
    )


def silent(gate: Gate, message: str, *, source: str) -> GateResult:
    """The result where requests were not answered in time."""
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Failed",
        reason="NoAnswer",
        source=source[:512],
        message=message[:1024],
    )


def tolerance_of(gate: Gate) -> float:
    """How far numbers may be off, absolute, in the outputs' own unit."""
    return DEFAULT_TOLERANCE if gate.tolerance is None else gate.tolerance


def p95(seconds: Sequence[float]) -> float:
    """The 95th percentile by nearest rank; 0 without any."""
    return _quantile(seconds, 0.95)


def _quantile(seconds: Sequence[float], q: float) -> float:
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else 0.0


def _shown(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


# -- reading -------------------------------------------------------------------------------------


def _of_key(key: str, text: str, name: str, recorded: bool) -> Iterator[Golden]:
    where = f"ConfigMap {name}, key {key}"
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Terminal(INVALID, f"{where} is no JSON: {error}") from None
    many = isinstance(document, list)
    for index, one in enumerate(document if many else [document]):
        label = key.removesuffix(".json") + (f"[{index}]" if many else "")
        body = one.get("request") if isinstance(one, dict) else None
        if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
            raise Terminal(
                INVALID,
                f'{where}: {label} is no {{"request": {{"inputs": […]}}, "expected": {{"outputs":'
                " […]}}",
            )
        if not recorded and one.get("expected") is None:
            yield Golden(label, body, {})
            continue
        try:
            yield Golden(label, body, _outputs(one.get("expected")))
        except (TypeError, ValueError) as error:
            raise Terminal(INVALID, f"{where}: expected of {label}: {error}") from None


def _outputs(document: Any) -> dict[str, Output]:
    """The outputs of an answer. Raises ValueError when it is none of the protocol."""
    outputs = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(outputs, list) or not outputs:
        raise ValueError('there is no list "outputs"')
    found = {}
    for one in outputs:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise ValueError("an output has no name")
        if not isinstance(one.get("data"), list):
            raise ValueError(f"output {one['name']} has no list of data")
        shape = one.get("shape")
        found[one["name"]] = Output(list(_flat(one["data"])), shape)
    return found


def _flat(data: Any) -> Iterator[Any]:
    """Nested lists row by row; the protocol allows both forms."""
    waiting = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        else:
            yield one


# -- comparing -----------------------------------------------------------------------------------


def _of_output(
    where: str, expected: Output, got: Output | None, tolerance: float
) -> Iterator[Difference]:
    if got is None:
        yield Difference(f"{where} is missing in the answer")
        return
    if len(got.data) != len(expected.data):
        yield Difference(f"{where} has {len(got.data)} values, expected {len(expected.data)}")
        return
    if None not in (expected.shape, got.shape) and list(expected.shape or ()) != list(
        got.shape or ()
    ):
        yield Difference(f"{where} has shape {got.shape}, expected {expected.shape}")
        return
    for index, (ours, theirs) in enumerate(zip(expected.data, got.data, strict=True)):
        by = _apart(ours, theirs)
        if by is None and (type(ours) is not type(theirs) or ours != theirs):
            yield Difference(f"{where}[{index}] is {_said(theirs)}, expected {_said(ours)}")
        elif by is not None and not by <= tolerance:
            yield Difference(
                f"{where}[{index}] is {_said(theirs)}, expected {_said(ours)}, off by {number(by)}",
                by,
            )


def _apart(ours: Any, theirs: Any) -> float | None:
    """How far two numbers are apart; None where one of them is no number."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (ours, theirs))
    return abs(ours - theirs) if numbers else None


def _said(value: Any) -> str:
    return json.dumps(value)[:60]
