"""Gradient-boosted trees from a native model file as a `LoadedModel`: XGBoost and LightGBM.

The files hold trees and no code, so loading one runs nothing of it. They know their classes by
number alone. A float output of a classifier is a probability: a column is that of class 1, [n, k]
has one a class; any other output is the class's number, the likeliest one. What no classifier says
is handed on as it is. `xgboost_file.py` and `lightgbm_file.py` read the two kinds of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.columns import Columns
from tidegate.serving.failure import SIGNATURE_MISMATCH
from tidegate.serving.model import fitted_output
from tidegate.serving.signature import ANY, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.serving.protocol import Tensor

DEFAULT_INPUT = "input"


class Trees(Protocol):
    """What a library makes of a model file.

    `names` are those of the features, None where the file has none; `classes` is how many classes
    there are probabilities of, None where `scores` are no probabilities. `scores` takes a float
    matrix [n, width] and gives [n] or [n, k]; it may be called from several threads at a time.
    """

    @property
    def platform(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def names(self) -> Sequence[str] | None: ...

    @property
    def classes(self) -> int | None: ...

    def scores(self, matrix: Tensor) -> Tensor: ...


class BoostedModel:
    """Trees that fit their signature. Raises Terminal from its constructor otherwise."""

    def __init__(self, trees: Trees, declared: Signature | None) -> None:
        self._trees = trees
        self.platform = trees.platform
        self.signature = Signature(
            (declared.inputs if declared else ()) or self._own_inputs(),
            (declared.outputs if declared else ()) or self._own_outputs(),
        )
        for spec in self.signature.inputs:
            if spec.datatype == "BYTES":
                raise Terminal(
                    SIGNATURE_MISMATCH,
                    f"input {spec.name!r} is declared as BYTES, and {trees.platform} takes numbers "
                    "alone: declare the codes of its categories, as INT64 or FP64",
                )
        self._columns = Columns(self.signature.inputs, width=trees.width, names=trees.names)
        for spec in self.signature.outputs:
            self._check_output(spec)

    def predict(self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        matrix = self._columns.assemble(tensors)
        scores = self._trees.scores(matrix)
        return [
            fitted_output(spec, self._output(spec, scores), rows=len(matrix)) for spec in wanted
        ]

    def example(self) -> dict[str, Tensor]:
        if self._columns.is_matrix:
            (spec,) = self.signature.inputs
            return {spec.name: np.zeros((1, self._trees.width), dtype=spec.numpy_type)}
        return {spec.name: np.zeros(1, dtype=spec.numpy_type) for spec in self.signature.inputs}

    def _output(self, spec: TensorSpec, scores: Tensor) -> Tensor:
        if self._trees.classes is None:
            return scores
        binary = scores.ndim == 1
        if spec.is_float:
            if binary and not spec.is_column:
                return np.column_stack((1 - scores, scores))
            return scores if binary or not spec.is_column else scores[:, 1]
        return scores > 0.5 if binary else scores.argmax(axis=1)

    def _own_inputs(self) -> tuple[TensorSpec, ...]:
        if self._trees.names:
            return tuple(TensorSpec(name, "FP64") for name in self._trees.names)
        return (TensorSpec(DEFAULT_INPUT, "FP64", (ANY, self._trees.width)),)

    def _own_outputs(self) -> tuple[TensorSpec, ...]:
        classes = self._trees.classes
        if classes is not None:
            shape = (ANY,) if classes == 2 else (ANY, classes)
            return (TensorSpec("probability", "FP64", shape),)
        given = self._trees.scores(np.zeros((1, self._trees.width)))
        return (TensorSpec("prediction", "FP64", (ANY, *given.shape[1:])),)

    def _check_output(self, spec: TensorSpec) -> None:
        classes = self._trees.classes
        if classes is None or not spec.is_float:
            return
        if spec.is_column and classes != 2:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"output {spec.name!r} is one probability a row, and the model has {classes} "
                f"classes: declare shape [{classes}] for the probabilities, or type INT64 for the "
                "predicted class",
            )
        if not spec.is_column and spec.shape not in ((ANY, classes), (ANY, ANY)):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"output {spec.name!r} has shape {spec.row_shape}, and the model has {classes} "
                f"classes: declare shape [{classes}]",
            )
