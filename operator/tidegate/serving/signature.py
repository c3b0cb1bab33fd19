"""A model's signature: the names, datatypes and shapes of its inputs and outputs. Pure.

Datatypes are those of the Open Inference Protocol v2. FP16 is left out: it has no JSON form.
A declared shape leaves out the rows, as the Model's schema says: absent for one value a row, [10]
for a matrix of ten columns. In here, and on the wire, a shape begins with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.failure import SIGNATURE_MISMATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMPY_TYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}

ANY = -1
"""A dimension that each request chooses, in practice the number of rows."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. `shape` begins with the rows; (-1,) and (-1, 1) are columns."""

    name: str
    datatype: str
    shape: tuple[int, ...] = (ANY,)

    @property
    def is_column(self) -> bool:
        return len(self.shape) == 1 or (len(self.shape) == 2 and self.shape[1] == 1)

    @property
    def row_shape(self) -> list[int]:
        """The shape as a signature declares it: of one row."""
        return list(self.shape[1:])

    @property
    def is_float(self) -> bool:
        return self.datatype in ("FP32", "FP64")

    @property
    def numpy_type(self) -> np.dtype[Any]:
        return NUMPY_TYPES[self.datatype]

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of `shape` is of this spec; a column is [n] as well as [n, 1]."""
        if len(shape) != len(self.shape):
            return self.is_column and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))
        # Nearly every tensor is a column, and a request may have a hundred of them.
        return self.shape in ((ANY,), shape) or all(
            want in (ANY, got) for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs, in the order in which the model takes and gives them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] = ()


class _Tensor(msgspec.Struct):
    name: str
    type: str
    shape: list[int] | None = None


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Tensor] = []
    outputs: list[_Tensor] = []


def parse_signature(text: str) -> Signature | None:
    """The signature in JSON, or None when there is none: it is then taken from the model.

    :raises Terminal: SignatureMismatch, saying which entry is wrong.
    """
    if not text.strip():
        return None
    try:
        parsed = msgspec.json.decode(text.encode(), type=_Signature)
    except msgspec.MsgspecError as error:
        raise Terminal(SIGNATURE_MISMATCH, f"the signature cannot be read: {error}") from None
    if not parsed.inputs and not parsed.outputs:
        return None
    return Signature(
        inputs=_specs(parsed.inputs, what="input"), outputs=_specs(parsed.outputs, what="output")
    )


def _specs(tensors: list[_Tensor], *, what: str) -> tuple[TensorSpec, ...]:
    seen: set[str] = set()
    specs = []
    for tensor in tensors:
        if tensor.type not in NUMPY_TYPES:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"{what} {tensor.name!r} has type {tensor.type!r}; use one of "
                f"{', '.join(NUMPY_TYPES)}",
            )
        if tensor.name in seen:
            raise Terminal(SIGNATURE_MISMATCH, f"{what} {tensor.name!r} stands there twice")
        seen.add(tensor.name)
        shape = (ANY, *(tensor.shape or ()))
        if any(size != ANY and size < 1 for size in shape):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"{what} {tensor.name!r} has shape {tensor.shape}; give the sizes of one row, "
                "each at least 1, or -1 for any",
            )
        specs.append(TensorSpec(tensor.name, tensor.type, shape))
    return tuple(specs)


def describe(specs: tuple[TensorSpec, ...]) -> str:
    """For messages, in the words of a signature: `temp FP64, all FP32 shape [10]`."""
    return ", ".join(map(_described, specs)) or "none"


def _described(spec: TensorSpec) -> str:
    shape = f" shape {spec.row_shape}" if spec.row_shape else ""
    return f"{spec.name} {spec.datatype}{shape}"
