"""Gates on the data: what callers send and need, held against the artifact's own signature, and
how much it was trained on, as the registry has it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.gate import GateResult
from tidegate.domain.gates.results import gate_hash
from tidegate.domain.signatures import breaking

if TYPE_CHECKING:
    from tidegate.api.gate import Gate
    from tidegate.api.origin import Origin


def judge(gate: Gate, origin: Origin | None) -> GateResult:
    """What the gate says of the version with this origin. The result has no time yet."""
    expected = gate.data_schema
    assert expected is not None, "it is a gate on a schema"
    said = []
    if expected.inputs:
        if origin is None or origin.signature is None:
            return _result(
                gate, "SignatureUnknown",
                "the registry knows no signature of this version; log the model with its signature",
            )  # fmt: skip
        source = f"signature of {_named(origin)}"
        wrong = breaking(expected, origin.signature)
        if wrong:
            message = f"{'; '.join(wrong)}; ask for another version, or correct the schema"
            return _result(gate, "SchemaViolated", message, source=source)
        count = f"{len(expected.inputs)} inputs and {len(expected.outputs)} outputs"
        said.append(f"{count} are as expected")
    if expected.min_rows is None:
        return _result(gate, "Passed", said[0], source=source)
    return _of_rows(gate, origin, expected.min_rows, said)


def _of_rows(gate: Gate, origin: Origin | None, least: int, said: list[str]) -> GateResult:
    """Whether it was trained on that many rows: those of the largest data set that was logged for
    training, or for nothing in particular."""
    trained = [
        data
        for data in (origin.datasets if origin is not None else ())
        if data.context in (None, "", "training") and data.rows is not None
    ]
    bound = f"min {least} rows"
    if origin is None or not trained:
        return _result(
            gate, "DataUnknown",
            "the registry does not know how many rows this version was trained on: log its data"
            ' (mlflow.log_input(mlflow.data.from_pandas(table), context="training"))',
            bound=bound,
        )  # fmt: skip
    largest = max(trained, key=lambda data: data.rows or 0)
    rows = largest.rows or 0
    message = f"data {largest.name} has {rows} rows"
    if rows < least:
        reason = "TooFewRows"
        message = f"{message}, fewer than {least}; ask for a version that was trained on more"
    else:
        reason, message = "Passed", "; ".join([*said, message])
    source = f"data {largest.name} {largest.digest} of {_named(origin)}"
    return _result(gate, reason, message, source=source, value=float(rows), bound=bound)


def _named(origin: Origin) -> str:
    return f"{origin.registry} {origin.name} version {origin.version}"


def _result(
    gate: Gate,
    reason: str,
    message: str,
    *,
    source: str | None = None,
    value: float | None = None,
    bound: str | None = None,
) -> GateResult:
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Passed" if reason == "Passed" else "Failed",
        reason=reason,
        value=value,
        bound=bound,
        source=source and source[:200],
        message=message[:1024],
    )
