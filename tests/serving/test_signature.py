"""Signatures are read strictly: a mistake in one is a condition, not a surprise in production."""

from __future__ import annotations

import json

import pytest

from tidegate.errors import Terminal
from tidegate.serving.signature import TensorSpec, describe, parse_signature


@pytest.mark.parametrize("text", ["", "  ", "{}", '{"inputs": [], "outputs": []}'])
def test_no_signature_is_none(text: str) -> None:
    assert parse_signature(text) is None


def test_shapes_are_columns_unless_said_otherwise() -> None:
    signature = parse_signature(
        json.dumps(
            {
                "inputs": [
                    {"name": "temp", "type": "FP64"},
                    {"name": "all", "type": "FP32", "shape": [10]},
                ]
            }
        )
    )
    assert signature is not None
    assert signature.inputs == (
        TensorSpec("temp", "FP64", (-1,)),
        TensorSpec("all", "FP32", (-1, 10)),
    )
    assert [spec.is_column for spec in signature.inputs] == [True, False]
    assert describe(signature.inputs) == "temp FP64, all FP32 shape [10]"


@pytest.mark.parametrize(
    ("inputs", "mend"),
    [
        ([{"name": "a", "type": "FLOAT"}], "use one of"),
        ([{"name": "a", "type": "FP16"}], "use one of"),
        ([{"name": "a", "type": "FP64"}, {"name": "a", "type": "FP64"}], "twice"),
        ([{"name": "a", "type": "FP64", "shape": [0]}], "at least 1"),
        ([{"name": "a", "type": "FP64", "shape": [5, -2]}], "at least 1"),
        ([{"name": "a"}], "cannot be read"),
    ],
)
def test_a_mistake_in_a_signature_names_the_entry(inputs: object, mend: str) -> None:
    with pytest.raises(Terminal) as caught:
        parse_signature(json.dumps({"inputs": inputs}))
    assert caught.value.reason == "SignatureMismatch"
    assert mend in caught.value.message


@pytest.mark.parametrize(
    ("spec", "shape", "admitted"),
    [
        ((-1,), (4,), True),
        ((-1,), (4, 1), True),
        ((-1,), (4, 2), False),
        ((-1, 1), (4,), True),
        ((-1, 3), (4, 3), True),
        ((-1, 3), (4, 2), False),
        ((-1, 3), (12,), False),
        ((-1, -1), (4, 9), True),
        ((-1, 2, 2), (1, 2, 2), True),
        ((-1, 2, 2), (1, 4), False),
    ],
)
def test_a_spec_admits_the_shapes_it_describes(
    spec: tuple[int, ...], shape: tuple[int, ...], admitted: bool
) -> None:
    assert TensorSpec("x", "FP64", spec).admits(shape) is admitted
