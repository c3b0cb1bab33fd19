"""What breaks callers, and where an artifact contradicts what is declared."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.signature import Signature
from tidegate.domain.signatures import breaking, contradiction, described


def signature(inputs: dict[str, str], outputs: dict[str, str], **shapes: list[int]) -> Signature:
    def tensors(types: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {"name": name, "type": type_, "shape": shapes.get(name)}
            for name, type_ in types.items()
        ]

    return Signature.model_validate({"inputs": tensors(inputs), "outputs": tensors(outputs)})


OLD = signature({"temp": "FP64", "carrier": "BYTES"}, {"p": "FP64"})
BREAKS = [
    (signature({"carrier": "BYTES", "temp": "FP64"}, {"p": "FP64"}), []),
    (signature({"temp": "FP64", "carrier": "BYTES"}, {"p": "FP64", "why": "BYTES"}), []),
    (signature({"temp": "FP64"}, {"p": "FP64"}), ["input carrier BYTES is not taken any more"]),
    (
        signature({"temp": "FP64", "carrier": "BYTES", "dewp": "FP64"}, {"p": "FP64"}),
        ["input dewp FP64 is needed, and callers do not send it"],
    ),
    (
        signature({"temp": "INT64", "carrier": "BYTES"}, {"p": "FP64"}),
        ["input temp was FP64, and is INT64"],
    ),
    (
        signature({"temp": "FP64", "carrier": "BYTES"}, {"q": "FP64"}),
        ["output p FP64 is missing"],
    ),
    (
        signature({"temp": "FP64", "carrier": "BYTES"}, {"p": "FP32"}),
        ["output p was FP64, and is FP32"],
    ),
]


@pytest.mark.parametrize(("new", "said"), BREAKS)
def test_inputs_must_stay_and_outputs_may_be_more(new: Signature, said: list[str]) -> None:
    assert breaking(OLD, new) == said


def test_shapes_count_where_both_say_them() -> None:
    matrix, wider = (signature({"x": "FP32"}, {"p": "FP32"}, x=[n]) for n in (10, 11))
    assert breaking(matrix, wider) == ["input x was FP32 [10], and is FP32 [11]"]
    assert breaking(matrix, signature({"x": "FP32"}, {"p": "FP32"})) == []


def test_a_signature_contradicts_an_artifact_by_names_and_by_text_against_number() -> None:
    known = signature({"temp": "INT64", "carrier": "BYTES"}, {"output": "INT64"})
    assert contradiction(OLD, known) == []
    wrong = signature({"temp": "BYTES", "wind": "FP64"}, {"p": "FP64"})
    assert contradiction(wrong, known) == [
        "input wind is unknown to it",
        "input temp is BYTES, and it takes INT64",
    ]


def test_a_matrix_is_left_to_the_model_itself() -> None:
    known = signature({"x": "FP32"}, {"p": "FP32"}, x=[-1, 10])
    assert contradiction(OLD, known) == []


def test_tensors_are_described_by_name_type_and_shape() -> None:
    assert described(signature({"x": "FP32"}, {"p": "FP32"}, x=[10]).inputs) == "x FP32 [10]"
