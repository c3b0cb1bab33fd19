"""Seldon's matrices to tensors and back, and what is told of those that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.serving.protocol import CallerMistake
from tidegate.serving.seldon.payload import matrix_of, names_of, tensors_of
from tidegate.serving.signature import Signature, TensorSpec

MIXED = Signature(
    (TensorSpec("a", "FP64"), TensorSpec("n", "INT64"), TensorSpec("t", "BYTES")),
    (TensorSpec("p", "FP64"), TensorSpec("both", "FP64", (-1, 2))),
)
MATRIX = Signature((TensorSpec("all", "FP32", (-1, 3)),))


def tensors(given: Any, names: Any = (), signature: Signature = MIXED) -> dict[str, Any]:
    found = tensors_of(given, names, signature, max_rows=3)
    return {name: tensor.tolist() for name, tensor in found.items()}


def test_columns_stand_in_the_signature_s_order_or_in_that_of_the_names() -> None:
    rows = np.array([[1.5, 2, "x"], [None, 3, "y"]], dtype=object)
    found = tensors(rows)
    assert (found["n"], found["t"]) == ([2, 3], ["x", "y"])
    assert found["a"][0] == 1.5
    assert np.isnan(found["a"][1])
    assert tensors(rows[:, ::-1], ["t", "n", "a"]) | {"a": 0} == found | {"a": 0}


def test_one_row_may_stand_alone_and_a_matrix_goes_in_whole() -> None:
    assert tensors(np.array([1.5, 2, "x"], dtype=object))["n"] == [2]
    assert tensors(np.ones((2, 3)), signature=MATRIX) == {"all": [[1, 1, 1], [1, 1, 1]]}


@pytest.mark.parametrize(
    ("given", "names", "mend"),
    [
        (np.array([]), (), "rows of equal length"),
        ([[1.0, 2], [3.0]], (), "rows of equal length"),
        (np.ones((2, 2)), (), "the rows have 2 values; the model takes 3: a, n, t"),
        (np.ones((2, 3)), ["a", "n"], "missing: t"),
        (np.ones((2, 3)), ["a", "n", "z"], "missing: t; unknown: z"),
        (np.array([["x", 1, "t"]], dtype=object), (), "'a' takes numbers"),
        (np.array([[1.0, 1.5, "t"]], dtype=object), (), "'n' takes INT64"),
        (np.array([[1.0, None, "t"]], dtype=object), (), "'n' takes INT64"),
        (np.array([[1.0, 1, 5]], dtype=object), (), "'t' takes texts"),
        (np.ones((4, 3)), (), "has 4 rows, and at most 3"),
    ],
)
def test_what_does_not_fit_is_the_caller_s_mistake(given: Any, names: Any, mend: str) -> None:
    with pytest.raises(CallerMistake, match=mend) as caught:
        tensors(given, names)
    assert caught.value.status == (413 if "rows, and" in mend else 400)


def test_a_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(CallerMistake, match=r"the rows have 2 values; the model takes \[3\]"):
        tensors(np.ones((1, 2)), signature=MATRIX)


def test_outputs_stand_side_by_side_under_their_names() -> None:
    values = [np.array([0.5, 0.25]), np.array([[1.0, 2.0], [3.0, 4.0]])]
    assert matrix_of(values).tolist() == [[0.5, 1, 2], [0.25, 3, 4]]
    assert names_of(MIXED.outputs) == ["p", "both[0]", "both[1]"]
    assert matrix_of(values[:1]).tolist() == [[0.5], [0.25]]
