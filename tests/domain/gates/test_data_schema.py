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


ROWS = Gate.model_validate({"name": "enough", "schema": {"minRows": 1000}})


def trained(*datasets: dict[str, Any]) -> Origin:
    named = [{"name": f"d{n}", "digest": f"sha{n}", **one} for n, one in enumerate(datasets)]
    return Origin.model_validate(
        {"registry": "mlflow", "name": "m", "version": "2", "datasets": named}
    )


def test_a_version_that_was_trained_on_enough_passes_with_where_that_is_from() -> None:
    few, many = {"rows": 10, "context": "training"}, {"rows": 1000}
    found = judge(ROWS, trained(few, many))
    assert (found.result, found.message) == ("Passed", "data d1 has 1000 rows")
    assert (found.value, found.bound) == (1000, "min 1000 rows")
    assert found.source == "data d1 sha1 of mlflow m version 2"


def test_a_version_that_was_trained_on_less_fails_whatever_it_was_measured_on() -> None:
    measured = {"rows": 10**6, "context": "evaluation"}
    found = judge(ROWS, trained({"rows": 999, "context": "training"}, measured))
    assert (found.result, found.reason, found.value) == ("Failed", "TooFewRows", 999)
    assert "data d0 has 999 rows, fewer than 1000" in found.message


def test_rows_that_nobody_has_logged_are_not_guessed() -> None:
    for known in (None, trained(), trained({"context": "training"})):
        found = judge(ROWS, known)
        assert (found.result, found.reason) == ("Failed", "DataUnknown")
        assert "mlflow.log_input" in found.message


def test_inputs_and_rows_are_judged_together() -> None:
    both = Gate.model_validate({"name": "b", "schema": {"inputs": [TEMP], "minRows": 5}})
    known = origin(TEMP).model_copy(update={"datasets": trained({"rows": 5}).datasets})
    assert judge(both, known).message == (
        "1 inputs and 0 outputs are as expected; data d0 has 5 rows"
    )
    assert judge(both, origin(TEMP)).reason == "DataUnknown"
    other = origin({"name": "wind", "type": "FP64"})
    assert judge(both, other).reason == "SchemaViolated"
