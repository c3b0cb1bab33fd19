"""ONNX graphs. `logistic.onnx` is a logistic regression of three features, made by skl2onnx with
zipmap=False: input X float [n, 3]; outputs label int64 [n] and probabilities float [n, 2].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.errors import Terminal
from tidegate.serving.loading import warm_up
from tidegate.serving.onnx_model import OnnxModel
from tidegate.serving.signature import Signature, TensorSpec

GRAPH = Path(__file__).with_name("logistic.onnx")
COEFFICIENTS = np.array([4.319303, -4.144642, 2.08261])
INTERCEPT = 0.27049974
X = np.random.default_rng(1).normal(size=(20, 3))
EXPECTED = 1 / (1 + np.exp(-(X @ COEFFICIENTS + INTERCEPT)))
COLUMNS = tuple(TensorSpec(name, "FP64") for name in ("a", "b", "c"))


def test_without_a_signature_it_is_the_graph_s() -> None:
    model = OnnxModel(GRAPH, None)
    warm_up(model)
    assert model.signature == Signature(
        (TensorSpec("X", "FP32", (-1, 3)),),
        (TensorSpec("label", "INT64"), TensorSpec("probabilities", "FP32", (-1, 2))),
    )
    label, probabilities = model.predict({"X": X.astype(np.float32)}, model.signature.outputs)
    assert np.allclose(probabilities[:, 1], EXPECTED, atol=1e-5)
    assert label.tolist() == (EXPECTED > 0.5).astype(int).tolist()


def test_columns_go_side_by_side_and_a_column_out_is_class_one() -> None:
    model = OnnxModel(GRAPH, Signature(COLUMNS, (TensorSpec("p", "FP64"),)))
    warm_up(model)
    tensors = {"a": X[:, 0], "b": X[:, 1].reshape(-1, 1), "c": X[:, 2]}
    (probability,) = model.predict(tensors, model.signature.outputs)
    assert probability.dtype == np.float64
    assert np.allclose(probability, EXPECTED, atol=1e-5)


def test_a_single_output_that_is_no_float_is_the_label() -> None:
    model = OnnxModel(GRAPH, Signature(COLUMNS, (TensorSpec("late", "INT64"),)))
    (label,) = model.predict(model.example(), model.signature.outputs)
    assert label.tolist() == [1]


@pytest.mark.parametrize(
    ("inputs", "outputs", "mend"),
    [
        (COLUMNS[:2], (), "takes 3 features, the signature has 2"),
        ((TensorSpec("X", "FP64", (-1, 3)),), (), "make them agree"),
        ((TensorSpec("X", "FP32", (-1, 4)),), (), "make them agree"),
        ((TensorSpec("y", "BYTES"),), (), "use the graph's names"),
        (COLUMNS, (TensorSpec("a", "FP64"), TensorSpec("label", "INT64")), "no output 'a'"),
    ],
)
def test_a_signature_that_is_not_the_graph_s_is_refused(
    inputs: Any, outputs: Any, mend: str
) -> None:
    with pytest.raises(Terminal) as caught:
        OnnxModel(GRAPH, Signature(inputs, outputs))
    assert caught.value.reason == "SignatureMismatch"
    assert mend in caught.value.message
