"""Gates on the schema of the data."""

from __future__ import annotations

from typing import Any

from tidegate.api.gate import Gate
from tidegate.api.origin import Origin
from tidegate.domain.gates.data_schema import judge

TEMP = {"name": "temp", "type": "FP64"}
GATE = Gate.model_validate({"name": "contract", "schema": {"inputs": [TEMP]}})


def origin(*inputs: dict[str, Any]) -> Origin:
    signature = {"inputs": list(inputs), "outputs": [{"name": "p", "type": "FP64"}]}
    return Origin.model_validate(
        {"registry": "mlflow", "name": "m", "version": "2", "signature": signature}
    )


def test_a_version_that_takes_what_callers_send_passes() -> None:
    found = judge(GATE, origin(TEMP))
    assert (found.result, found.message) == ("Passed", "1 inputs and 0 outputs are as expected")
    assert found.source == "signature of mlflow m version 2"


def test_a_version_that_needs_more_fails_and_names_it() -> None:
    found = judge(GATE, origin(TEMP, {"name": "wind", "type": "FP64"}))
    assert (found.result, found.reason) == ("Failed", "SchemaViolated")
    assert "input wind FP64 is needed, and callers do not send it" in found.message


def test_a_version_without_a_signature_fails() -> None:
    unknown = Origin(registry="mlflow", name="m", version="2")
    for known in (None, unknown):
        assert judge(GATE, known).reason == "SignatureUnknown"
