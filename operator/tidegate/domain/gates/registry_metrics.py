"""Gates on metrics that a registry holds of a version, bound to the data they were measured on.

Judged from what was read when the version was resolved; nothing is asked anew. A metric that is not
there, or was measured on other data, fails the gate: no evidence is no good evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.api.gate import GateResult
from tidegate.domain.gates.results import gate_hash, number

if TYPE_CHECKING:
    from tidegate.api.gate import Gate
    from tidegate.api.origin import Measured, Origin

NO_STABLE = "NoStable"
_LISTED = 5
"""How many of the metrics that are there a message names."""


@dataclass(frozen=True)
class Compared:
    """What a gate relative to stable compares with: stable's name, and what is known of it."""

    revision: str
    origin: Origin | None


@dataclass(frozen=True)
class _Missing(Exception):
    """A metric that cannot be judged: why, one word, and in words."""

    reason: str
    message: str


def judge(gate: Gate, origin: Origin | None, stable: Compared | None) -> GateResult:
    """What a gate on a registry's metric says of the version with this origin.

    `stable` is the revision that serves, None while none does. The result has no time yet.
    """
    try:
        if gate.relative_to is None:
            return _absolute(gate, _measured(gate, origin, "this version"), origin)
        if stable is None:
            message = "no revision is stable yet, so that there is nothing to compare with"
            return _result(gate, "Passed", NO_STABLE, message)
        return _relative(gate, origin, stable)
    except _Missing as missing:
        return _result(gate, "Failed", missing.reason, missing.message)


def _absolute(gate: Gate, found: Measured, origin: Origin | None) -> GateResult:
    value, source = found.value, _source(origin, found)
    bound = _between(gate.min, gate.max)
    shown = f"{gate.metric} is {number(value)}"
    on = f" on {_data(found)}"
    if gate.min is not None and value < gate.min:
        message = f"{shown}, below min {number(gate.min)}{on}; ask for a better version"
        return _result(gate, "Failed", "BelowMin", message, value, bound, source)
    if gate.max is not None and value > gate.max:
        message = f"{shown}, above max {number(gate.max)}{on}; ask for a better version"
        return _result(gate, "Failed", "AboveMax", message, value, bound, source)
    return _result(gate, "Passed", "Passed", f"{shown} ({bound}){on}", value, bound, source)


def _relative(gate: Gate, origin: Origin | None, stable: Compared) -> GateResult:
    found = _measured(gate, origin, "this version")
    theirs = _of_stable(gate, found, stable)
    drop = theirs.value - found.value
    over = drop if gate.max_drop is not None else -drop
    most = gate.max_drop if gate.max_drop is not None else gate.max_rise
    assert most is not None, "the schema requires one of them"
    word = "drop" if gate.max_drop is not None else "rise"
    bound = f"max {word} {number(most)} from {number(theirs.value)}"
    message = (
        f"{gate.metric} is {number(found.value)}, stable {stable.revision} has"
        f" {number(theirs.value)} on {_data(found)}"
    )
    source = _source(origin, found)
    # As decimal numbers: 0.74 - 0.73 must not exceed 0.01 by what binary fractions leave over.
    if over > most and not math.isclose(over, most, rel_tol=1e-9, abs_tol=1e-12):
        worse = f"{message}: a {word} of {number(over)}, over {number(most)}"
        return _result(
            gate, "Failed", "WorseThanStable", f"{worse}; ask for a better version",
            found.value, bound, source,
        )  # fmt: skip
    return _result(
        gate, "Passed", "Passed", f"{message} (max {word} {number(most)})",
        found.value, bound, source,
    )  # fmt: skip


def _of_stable(gate: Gate, found: Measured, stable: Compared) -> Measured:
    """Stable's value on the data that the candidate's was measured on."""
    bound = gate.model_copy(update={"dataset": gate.dataset or found.digest})
    return _measured(bound, stable.origin, f"stable {stable.revision}")


def _measured(gate: Gate, origin: Origin | None, whose: str) -> Measured:
    """The one value of a gate's metric on its data. Raises _Missing with what there is instead."""
    assert gate.metric is not None, "it is a gate on a metric"
    if origin is None:
        raise _Missing(
            "OriginUnknown",
            f"no registry knows {whose}, so that it has no metric {gate.metric}; take the artifact"
            " from a registry (models:/…), or remove the gate",
        )
    named = [one for one in origin.metrics if one.metric == gate.metric]
    if not named:
        there = sorted({one.metric for one in origin.metrics})
        raise _Missing(
            "MetricMissing",
            f"{_version(origin)} has no metric {gate.metric} ({whose}); it has"
            f" {_some(there)}; log it, and register the version anew",
        )
    fitting = [one for one in named if gate.dataset is None or one.digest == gate.dataset]
    if not fitting:
        there = sorted({_data(one) for one in named})
        raise _Missing(
            "DatasetMismatch",
            f"{gate.metric} of {whose} was not measured on {gate.dataset}, but on {_some(there)};"
            " measure it on that data, or correct the gate's dataset",
        )
    if len({(one.digest, one.value) for one in fitting}) > 1:
        there = sorted({f"{number(one.value)} on {_data(one)}" for one in fitting})
        raise _Missing(
            "MetricAmbiguous",
            f"{gate.metric} of {whose} has several values: {_some(there)}; name one dataset in the"
            " gate",
        )
    if not math.isfinite(fitting[0].value):
        raise _Missing(
            "MetricNotFinite",
            f"{gate.metric} of {whose} is {fitting[0].value}, which is no number to compare; find"
            " out why it was logged so",
        )
    return fitting[0]


def _result(
    gate: Gate,
    result: str,
    reason: str,
    message: str,
    value: float | None = None,
    bound: str | None = None,
    source: str | None = None,
) -> GateResult:
    return GateResult.model_validate(
        {
            "name": gate.name, "gate": gate_hash(gate), "result": result, "reason": reason,
            "value": value, "bound": bound, "source": source and source[:200],
            "message": message[:1024],
        }
    )  # fmt: skip


def _between(low: float | None, high: float | None) -> str:
    bounds = [("min", low), ("max", high)]
    return ", ".join(f"{word} {number(value)}" for word, value in bounds if value is not None)


def _data(found: Measured) -> str:
    known = [found.dataset, found.digest]
    text = " ".join(one for one in known if one is not None)
    return f"data {text}" if text else "data that the registry does not name"


def _version(origin: Origin) -> str:
    return f"{origin.registry} {origin.name} version {origin.version}"


def _source(origin: Origin | None, found: Measured) -> str:
    where = _version(origin) if origin is not None else "unknown"
    run = f", run {origin.run}" if origin is not None and origin.run is not None else ""
    return f"{where}{run}, {_data(found)}"


def _some(there: list[str]) -> str:
    """A few of what is there; `nothing` when it is empty."""
    if not there:
        return "nothing"
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return ", ".join(there[:_LISTED]) + more
