"""How the named tensors of a request become the one matrix that a tabular model takes. Pure.

One input that is a matrix ([n, k]) is handed over as it is; otherwise each input is a column, in
the order of the names that the model was trained on where it knows them, else in the signature's.
All numeric: a float64 matrix. With BYTES among them: an object array, so that text and numbers keep
their kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.failure import SIGNATURE_MISMATCH
from tidegate.serving.signature import ANY, TensorSpec, describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.serving.protocol import Tensor


class Columns:
    """The inputs of a tabular model, checked against what it was trained on.

    `width` is how many features it takes and `names` what they are called, None where the model
    does not say. `order` are the inputs' names in the model's order.
    """

    def __init__(
        self,
        inputs: tuple[TensorSpec, ...],
        *,
        width: int | None,
        names: Sequence[str] | None,
    ) -> None:
        """:raises Terminal: SignatureMismatch, saying how the two differ."""
        self._inputs = inputs
        self.is_matrix = len(inputs) == 1 and len(inputs[0].shape) == 2 and not inputs[0].is_column
        self._check(width)
        self.order = self._ordered(names)
        self._dtype: type = (
            object if any(spec.datatype == "BYTES" for spec in inputs) else np.float64
        )

    def assemble(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The matrix of a request, one row a row."""
        if self.is_matrix:
            return tensors[self._inputs[0].name]
        columns = [tensors[name] for name in self.order]
        matrix: Tensor = np.empty((len(columns[0]), len(columns)), dtype=self._dtype)
        for index, column in enumerate(columns):
            matrix[:, index] = column if column.ndim == 1 else column[:, 0]
        return matrix

    def _check(self, width: int | None) -> None:
        if not self.is_matrix:
            for spec in self._inputs:
                if not spec.is_column:
                    raise Terminal(
                        SIGNATURE_MISMATCH,
                        f"input {spec.name!r} has shape {spec.row_shape}: give a tabular model "
                        "one matrix as its only input, or columns without a shape",
                    )
        given = self._inputs[0].shape[1] if self.is_matrix else len(self._inputs)
        if width is not None and given not in (width, ANY):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"the model takes {width} features, the signature has {given} "
                f"({describe(self._inputs)}): declare the columns that it was trained on, in "
                "their order",
            )

    def _ordered(self, names: Sequence[str] | None) -> tuple[str, ...]:
        declared = [spec.name for spec in self._inputs]
        if self.is_matrix or names is None:
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
