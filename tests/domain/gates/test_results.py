"""What a result is kept by, and what an approval is bound to."""

from __future__ import annotations

from typing import Any

from tidegate.api.gate import Gate, GateResult
from tidegate.domain.gates.results import evidence, gate_hash, recorded

GATE = Gate.model_validate({"name": "auc", "metric": "roc_auc", "min": 0.65})


def result(**fields: Any) -> GateResult:
    base = {"name": "auc", "gate": gate_hash(GATE), "result": "Passed", "reason": "Passed"}
    return GateResult.model_validate({**base, "value": 0.7, "at": "2026-01-01T00:00:00Z", **fields})


def test_an_edited_gate_is_judged_anew() -> None:
    edited = GATE.model_copy(update={"min": 0.7})
    assert recorded([result()], GATE) == result()
    assert recorded([result()], edited) is None


def test_a_gate_that_is_pending_was_not_judged() -> None:
    assert recorded([result(result="Pending")], GATE) is None


def test_evidence_is_what_was_measured_not_when_or_in_which_words() -> None:
    same = result(at="2026-02-02T00:00:00Z", message="other words")
    assert evidence([result()]) == evidence([same])
    assert evidence([result()]) != evidence([result(value=0.71)])
    assert evidence([result()]) != evidence([result(gate="0" * 16)])
    assert evidence([result()]) != evidence([result(), result(name="other")])
