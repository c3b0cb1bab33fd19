"""A scikit-learn estimator as a `LoadedModel`.

How the named tensors become what the estimator takes stands in `columns.py`.

How its answers become outputs: a float output of a classifier is `predict_proba`, of which a
column is the probability of class 1 and [n, k] has one a class; every other output is `predict`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.chain import Chain
from tidegate.serving.columns import Columns
from tidegate.serving.failure import LOAD_FAILED, SIGNATURE_MISMATCH
from tidegate.serving.model import fitted_output
from tidegate.serving.parts import known_values, prepare_for_serving
from tidegate.serving.signature import ANY, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.serving.protocol import Tensor

DEFAULT_INPUT = "input"


class SklearnModel:
    """An estimator that fits its signature. Raises Terminal from its constructor otherwise."""

    platform = "sklearn"

    def __init__(self, estimator: Any, declared: Signature | None) -> None:
        if not hasattr(estimator, "predict"):
            raise Terminal(
                LOAD_FAILED,
                f"the artifact holds a {type(estimator).__name__}, which cannot predict: save the "
                "whole fitted pipeline",
            )
        prepare_for_serving(estimator)
        # The columns go by position here, and that is checked below, once, by name.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        self._estimator = estimator
        self._chain = Chain(estimator)
        self._known = known_values(estimator)
        self.signature = self._complete(declared)
        self._columns = Columns(self.signature.inputs, width=self._width(), names=self._names())
        self._check_outputs()
        self._probabilities = [
            spec for spec in self.signature.outputs if self._is_probability(spec)
        ]

    def predict(self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        given = self._columns.assemble(tensors)
        transformed = self._chain.transform(given)
        results: dict[bool, Tensor] = {}
        outputs = []
        for spec in wanted:
            by_class = spec in self._probabilities
            if by_class not in results:
                answer = self._chain.predict_proba if by_class else self._chain.predict
                results[by_class] = answer(transformed)
            values = results[by_class]
            if by_class and spec.is_column:
                values = values[:, 1]
            outputs.append(fitted_output(spec, values, rows=len(given)))
        return outputs

    def example(self) -> dict[str, Tensor]:
        if self._columns.is_matrix:
            spec = self._spec(0)
            row = np.zeros((1, self._width() or 1), dtype=spec.numpy_type)
            for index, value in self._known.items():
                row[0, index] = value
            return {spec.name: row}
        return {
            name: self._example_column(self._by_name[name], index)
            for index, name in enumerate(self._columns.order)
        }

    def _example_column(self, spec: TensorSpec, index: int) -> Tensor:
        fallback: Any = "" if spec.datatype == "BYTES" else 0
        value = self._known.get(index, fallback)
        try:
            return np.array([value], dtype=spec.numpy_type)
        except (TypeError, ValueError):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"input {spec.name!r} is declared as {spec.datatype}, and the model was trained on "
                f"values such as {str(value)[:60]!r}: declare BYTES",
            ) from None

    @property
    def _by_name(self) -> dict[str, TensorSpec]:
        return {spec.name: spec for spec in self.signature.inputs}

    def _spec(self, index: int) -> TensorSpec:
        return self.signature.inputs[index]

    def _width(self) -> int | None:
        width = getattr(self._estimator, "n_features_in_", None)
        return None if width is None else int(width)

    def _names(self) -> list[str] | None:
        names = getattr(self._estimator, "feature_names_in_", None)
        return None if names is None else [str(name) for name in names]

    def _classes(self) -> list[Any] | None:
        """The classes of a classifier with one target; None for anything else."""
        if not hasattr(self._estimator, "predict_proba"):
            return None
        classes = getattr(self._estimator, "classes_", None)
        return None if classes is None or isinstance(classes, list) else list(classes)

    def _is_probability(self, spec: TensorSpec) -> bool:
        return spec.is_float and self._classes() is not None

    def _complete(self, declared: Signature | None) -> Signature:
        """The declared signature; what it leaves out is taken from the estimator."""
        inputs = declared.inputs if declared else ()
        outputs = declared.outputs if declared else ()
        return Signature(inputs or self._own_inputs(), outputs or self._own_outputs())

    def _own_inputs(self) -> tuple[TensorSpec, ...]:
        if names := self._names():
            return tuple(
                TensorSpec(name, "BYTES" if isinstance(self._known.get(i), str) else "FP64")
                for i, name in enumerate(names)
            )
        width = self._width()
        if width is None:
            raise Terminal(
                SIGNATURE_MISMATCH,
                "the model does not say how many features it takes: declare spec.signature.inputs",
            )
        textual = any(isinstance(value, str) for value in self._known.values())
        return (TensorSpec(DEFAULT_INPUT, "BYTES" if textual else "FP64", (ANY, width)),)

    def _own_outputs(self) -> tuple[TensorSpec, ...]:
        classes = self._classes()
        if classes is None:
            return (TensorSpec("prediction", "FP64"),)
        shape = (ANY,) if len(classes) == 2 else (ANY, len(classes))
        return (TensorSpec("probability", "FP64", shape),)

    def _check_outputs(self) -> None:
        classes = self._classes()
        for spec in self.signature.outputs:
            if not self._is_probability(spec) or classes is None:
                continue
            if spec.is_column and len(classes) != 2:
                raise Terminal(
                    SIGNATURE_MISMATCH,
                    f"output {spec.name!r} is one probability a row, and the model has "
                    f"{len(classes)} classes: declare shape [{len(classes)}] for "
                    "the probabilities, or type INT64 or BYTES for the predicted class",
                )
            if not spec.is_column and spec.shape not in ((ANY, len(classes)), (ANY, ANY)):
                raise Terminal(
                    SIGNATURE_MISMATCH,
                    f"output {spec.name!r} has shape {spec.row_shape}, and the model has "
                    f"{len(classes)} classes: declare shape [{len(classes)}]",
                )
