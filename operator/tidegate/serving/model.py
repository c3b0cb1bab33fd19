"""What a loaded model is to the rest of the server, and the boundary to code that is not ours.

A model is code of somebody else: it may raise anything. `foreign` is the only place that catches
that, so that the server can answer 500 and go on, and a file that breaks its loader is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.failure import SIGNATURE_MISMATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.serving.protocol import Tensor
    from tidegate.serving.signature import Signature, TensorSpec


class ForeignError(Exception):
    """The model's own code, or its loader, raised; `__cause__` is what it raised."""


class LoadedModel(Protocol):
    """A model in memory, checked against its signature.

    `predict` gets every input of the signature, all with the same number of rows, in the shapes
    of the request, and returns one array for each of `wanted`, in that order, first dimension the
    rows. It may be called from several threads at a time. It raises whatever the model raises.
    `example` is one row of input that the model is expected to take, for the warm-up.
    """

    @property
    def signature(self) -> Signature: ...

    @property
    def platform(self) -> str: ...

    def predict(
        self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]
    ) -> list[Tensor]: ...

    def example(self) -> dict[str, Tensor]: ...


def foreign[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call code that is not ours.

    :raises ForeignError: whatever it raised, as the cause.
    :raises Terminal: unchanged.
    """
    try:
        return call(*args, **kwargs)
    except (Terminal, ForeignError):
        raise
    except Exception as error:  # a model and a file may raise anything; see the module's docstring
        raise ForeignError(f"{type(error).__name__}: {error}") from error


def cause_of(error: ForeignError) -> str:
    """The first line of what the foreign code raised, for messages to the model's author."""
    return str(error).strip().splitlines()[0][:500]


def fitted_output(spec: TensorSpec, values: Tensor, *, rows: int) -> Tensor:
    """`values` as the signature says: datatype cast, a column as [n], rows checked.

    :raises ValueError: the model gave something else than it did at load.
    """
    if values.shape[:1] != (rows,):
        raise ValueError(
            f"output {spec.name!r} has shape {values.shape} for {rows} rows; "
            "a model must give one value a row"
        )
    if spec.is_column and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if spec.datatype == "BYTES":
        return np.array([str(value) for value in values.ravel()], dtype=object).reshape(
            values.shape
        )
    return values.astype(spec.numpy_type, copy=False)


def check_output(spec: TensorSpec, values: Tensor) -> None:
    """Check one output of the warm-up against the signature.

    :raises Terminal: SignatureMismatch.
    """
    if not spec.admits(values.shape):
        raise Terminal(
            SIGNATURE_MISMATCH,
            f"output {spec.name!r} is declared with shape {spec.row_shape} for one row, and the "
            f"model gives {list(values.shape[1:])}: declare that shape, or change the model",
        )
