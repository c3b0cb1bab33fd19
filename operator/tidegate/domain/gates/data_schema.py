"""Gates on the schema of the data: what callers send and need, held against the artifact's own
signature. Pure."""

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
    if origin is None or origin.signature is None:
        return _result(
            gate, "SignatureUnknown",
            "the registry knows no signature of this version; log the model with its signature",
        )  # fmt: skip
    source = f"signature of {origin.registry} {origin.name} version {origin.version}"
    wrong = breaking(expected, origin.signature)
    if wrong:
        message = f"{'; '.join(wrong)}; ask for another version, or correct the schema"
        return _result(gate, "SchemaViolated", message, source=source)
    count = f"{len(expected.inputs)} inputs and {len(expected.outputs)} outputs"
    return _result(gate, "Passed", f"{count} are as expected", source=source)


def _result(gate: Gate, reason: str, message: str, *, source: str | None = None) -> GateResult:
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Passed" if reason == "Passed" else "Failed",
        reason=reason,
        source=source and source[:200],
        message=message[:1024],
    )
