"""Several requests in one prediction: each as if it were alone, and a bad one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.serving.distribution import Distributions
from tidegate.serving.model import ForeignError
from tidegate.serving.predictor import Predictor
from tidegate.serving.protocol import CallerMistake, Inference
from tidegate.serving.signature import Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.serving.protocol import Tensor

SUM, TWICE = TensorSpec("sum", "FP64"), TensorSpec("twice", "FP64", (-1, 2))
SIGNATURE = Signature((TensorSpec("a", "FP64"), TensorSpec("b", "FP64")), (SUM, TWICE))


class Adder:
    """Adds two columns; fails when there is a NaN among its rows. Counts its calls."""

    platform = "test"
    signature = SIGNATURE

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        self.calls += 1
        a, b = (tensors[name].reshape(len(tensors[name])) for name in ("a", "b"))
        if np.isnan(a).any() or np.isnan(b).any():
            raise ValueError("NaN")
        given: dict[str, Any] = {"sum": a + b, "twice": np.column_stack((2 * a, 2 * b))}
        return [given[spec.name] for spec in wanted]

    def example(self) -> dict[str, Tensor]:
        return {"a": np.zeros(1), "b": np.zeros(1)}


def a_predictor(model: Adder | None = None, *, max_rows: int = 100) -> Predictor:
    return Predictor(
        model or Adder(),
        Distributions(SIGNATURE, model="m", revision="r"),
        name="m",
        version="r",
        max_rows=max_rows,
    )


numbers = st.floats(-1e6, 1e6) | st.just(float("nan"))
requests = st.builds(
    lambda pairs, matrix, wanted: Inference(
        id=None,
        tensors={
            name: np.array(values).reshape((-1, 1) if matrix else (-1,))
            for name, values in zip("ab", zip(*pairs, strict=True), strict=True)
        },
        rows=len(pairs),
        wanted=wanted,
    ),
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([(SUM, TWICE), (TWICE,), (SUM,)]),
)


@given(batch=st.lists(requests, max_size=12))
@settings(deadline=None)
def test_together_they_get_what_each_would_get_alone(batch: list[Inference]) -> None:
    predictor = a_predictor()
    for inference, result in zip(batch, predictor.together(batch), strict=True):
        try:
            alone = Adder().predict(inference.tensors, inference.wanted)
        except ValueError:
            assert isinstance(result, ForeignError)
            continue
        assert not isinstance(result, Exception)
        for got, wanted in zip(result, alone, strict=True):
            assert np.array_equal(got, wanted)


def test_those_of_one_form_cost_one_prediction() -> None:
    model = Adder()
    bodies = [
        b'{"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [%d]},'
        b'{"name": "b", "datatype": "FP64", "shape": [1], "data": [1]}]}' % number
        for number in range(5)
    ]
    predictor = a_predictor(model)
    batch = [predictor.decode(body) for body in bodies]
    results = predictor.together(batch)
    assert model.calls == 1
    for number, (body, inference, result) in enumerate(zip(bodies, batch, results, strict=True)):
        assert not isinstance(result, Exception)
        assert result[0].tolist() == [number + 1]
        assert predictor.answer(inference, result)[0] == predictor.whole(body)[0]


def test_more_rows_than_allowed_are_refused_with_413() -> None:
    body = (
        b'{"inputs": [{"name": "a", "datatype": "FP64", "shape": [3], "data": [1, 2, 3]},'
        b'{"name": "b", "datatype": "FP64", "shape": [3], "data": [1, 2, 3]}]}'
    )
    with pytest.raises(CallerMistake, match="has 3 rows, and at most 2") as caught:
        a_predictor(max_rows=2).decode(body)
    assert caught.value.status == 413
