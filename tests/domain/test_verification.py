"""Whether a version may become a revision, by its signature and that of what serves."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.model import ModelSpec
from tidegate.api.origin import Origin
from tidegate.api.signature import Signature
from tidegate.domain.verification import Serving, verify
from tidegate.errors import Terminal

TEMP = {"inputs": [{"name": "temp", "type": "FP64"}], "outputs": [{"name": "p", "type": "FP64"}]}
WIND = {"inputs": [{"name": "wind", "type": "FP64"}], "outputs": [{"name": "p", "type": "FP64"}]}


def spec(signature: dict[str, Any] | None = None) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "artifact": {"uri": "https://models/v1", "format": "onnx"},
            "runtime": {"v2": {}},
            "signature": signature,
        }
    )


def origin(signature: dict[str, Any] | None) -> Origin:
    return Origin.model_validate(
        {"registry": "mlflow", "name": "m", "version": "2", "signature": signature}
    )


def stable(signature: dict[str, Any] | None, *, declared: dict[str, Any] | None = None) -> Serving:
    said = Signature.model_validate(declared) if declared else None
    return Serving("m-1", said, origin(signature))


ACCEPTED = [
    (spec(), None, None),
    (spec(), None, stable(None)),
    (spec(), origin(TEMP), None),
    (spec(), origin(TEMP), stable(TEMP)),
    (spec(), origin(WIND), stable(None)),
    (spec(TEMP), origin(TEMP), stable(WIND)),
    (spec(WIND), origin(WIND), stable(TEMP, declared=TEMP)),
    (spec(TEMP), None, stable(TEMP)),
]


@pytest.mark.parametrize(("declared", "known", "serves"), ACCEPTED)
def test_what_breaks_nobody_or_is_said_to_be_meant_is_accepted(
    declared: ModelSpec, known: Origin | None, serves: Serving | None
) -> None:
    verify(declared, known, serves)


REFUSED = [
    (spec(), origin(WIND), stable(TEMP), "SignatureIncompatible", "input temp FP64 is not taken"),
    (spec(), origin(None), stable(TEMP), "SignatureMissing", "knows no signature"),
    (spec(), None, stable(TEMP), "SignatureMissing", "or declare spec.signature"),
    (spec(TEMP), origin(WIND), None, "SignatureMismatch", "It takes wind FP64"),
]


@pytest.mark.parametrize(("declared", "known", "serves", "reason", "said"), REFUSED)
def test_what_would_break_callers_is_refused_with_the_mend(
    declared: ModelSpec, known: Origin | None, serves: Serving | None, reason: str, said: str
) -> None:
    with pytest.raises(Terminal) as refused:
        verify(declared, known, serves)
    assert refused.value.reason == reason
    assert said in refused.value.message
