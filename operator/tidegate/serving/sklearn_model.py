"""A scikit-learn estimator as a `LoadedModel`.

How the named tensors become what the estimator takes:

- one input that is a matrix ([n, k]) is handed over as it is;
- otherwise each input is a column. All numeric: a float64 matrix. With BYTES among them: an object
  array, so that text and numbers keep their kinds. Order: `feature_names_in_` when the estimator
  has it (its names must then be the signature's), else the signature's order.

How its answers become outputs: a float output of a classifier is `predict_proba`, of which a
column is the probability of class 1 and [n, k] has one a class; every other output is `predict`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.failure import LOAD_FAILED, SIGNATURE_MISMATCH
from tidegate.serving.model import fitted_output
from tidegate.serving.parts import known_values, prepare_for_serving
from tidegate.serving.signature import ANY, Signature, TensorSpec, describe

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
        self._known = known_values(estimator)
        self.signature = self._complete(declared)
        self._is_matrix = len(self.signature.inputs) == 1 and len(self._spec(0).shape) == 2
        self._is_matrix = self._is_matrix and not self._spec(0).is_column
        self._check_inputs()
        self._check_outputs()
        self._order = self._column_order()
        self._dtype: type = (
            object if any(s.datatype == "BYTES" for s in self.signature.inputs) else np.float64
        )

    def predict(self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        given = self._assemble(tensors)
        results: dict[bool, Tensor] = {}
        outputs = []
        for spec in wanted:
            by_class = self._is_probability(spec)
            if by_class not in results:
                answer = self._estimator.predict_proba if by_class else self._estimator.predict
                results[by_class] = np.asarray(answer(given))
            values = results[by_class]
            if by_class and spec.is_column:
                values = values[:, 1]
            outputs.append(fitted_output(spec, values, rows=len(given)))
        return outputs

    def example(self) -> dict[str, Tensor]:
        if self._is_matrix:
            spec = self._spec(0)
            row = np.zeros((1, self._width() or 1), dtype=spec.numpy_type)
            for index, value in self._known.items():
                row[0, index] = value
            return {spec.name: row}
        return {
            name: self._example_column(self._by_name[name], index)
            for index, name in enumerate(self._order)
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

    def _assemble(self, tensors: Mapping[str, Tensor]) -> Tensor:
        if self._is_matrix:
            return tensors[self._spec(0).name]
        columns = [tensors[name] for name in self._order]
        matrix: Tensor = np.empty((len(columns[0]), len(columns)), dtype=self._dtype)
        for index, column in enumerate(columns):
            matrix[:, index] = column if column.ndim == 1 else column[:, 0]
        return matrix

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

    def _check_inputs(self) -> None:
        inputs = self.signature.inputs
        if not self._is_matrix:
            for spec in inputs:
                if not spec.is_column:
                    raise Terminal(
                        SIGNATURE_MISMATCH,
                        f"input {spec.name!r} has shape {spec.row_shape}: give a scikit-learn "
                        "model one matrix as its only input, or columns without a shape",
                    )
        width = self._width()
        given = self._spec(0).shape[1] if self._is_matrix else len(inputs)
        if width is not None and given not in (width, ANY):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"the model takes {width} features, the signature has {given} "
                f"({describe(inputs)}): declare the columns that it was trained on, in their order",
            )

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

    def _column_order(self) -> tuple[str, ...]:
        declared = [spec.name for spec in self.signature.inputs]
        names = self._names()
        if self._is_matrix or names is None:
            return tuple(declared)
        missing = [name for name in names if name not in declared]
        extra = [name for name in declared if name not in names]
        if missing or extra:
            raise Terminal(
                SIGNATURE_MISMATCH,
                "the model was trained on other columns than the signature names"
                + (f"; missing: {', '.join(missing)}" if missing else "")
                + (f"; unknown to the model: {', '.join(extra)}" if extra else "")
                + ": use the names of the training table",
            )
        return tuple(names)
