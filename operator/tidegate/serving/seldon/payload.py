"""Between Seldon's protocol and tensors: a matrix with names in, a matrix with names out. Pure.

The wrapper has turned `ndarray` or `tensor` into an array already. Names in a request say which
column is which; without them the columns stand in the signature's order. A signature of one matrix
takes the whole of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.serving.protocol import CallerMistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.serving.protocol import Tensor
    from tidegate.serving.signature import Signature, TensorSpec


def tensors_of(
    given: Any, names: Sequence[str], signature: Signature, *, max_rows: int
) -> dict[str, Tensor]:
    """The inputs of a request.

    :raises CallerMistake: it does not fit the signature; the text says how to mend it.
    """
    matrix = _matrix(given, max_rows=max_rows)
    first = signature.inputs[0]
    if len(signature.inputs) == 1 and not first.is_column:
        if len(first.shape) != 2 or first.shape[1] not in (-1, matrix.shape[1]):
            raise CallerMistake(
                f"the rows have {matrix.shape[1]} values; the model takes {first.row_shape}"
            )
        return {first.name: _cast(matrix, first)}
    places = _places(names, signature, width=matrix.shape[1])
    return {
        spec.name: _cast(matrix[:, place], spec)
        for spec, place in zip(signature.inputs, places, strict=True)
    }


def matrix_of(values: Sequence[Tensor]) -> Tensor:
    """The outputs side by side, one row a row: what the wrapper writes into its answer."""
    columns = [value.reshape(len(value), -1) for value in values]
    return columns[0] if len(columns) == 1 else np.hstack(columns)


def names_of(specs: Sequence[TensorSpec]) -> list[str]:
    """What the columns of `matrix_of` are called: a matrix's by their numbers."""
    names: list[str] = []
    for spec in specs:
        width = 1 if spec.is_column else spec.shape[1]
        names += [spec.name] if width == 1 else [f"{spec.name}[{i}]" for i in range(width)]
    return names


def _matrix(given: Any, *, max_rows: int) -> Tensor:
    try:
        matrix = np.asarray(given)
    except ValueError:
        matrix = np.empty(0)
    if matrix.ndim == 1 and matrix.size and not isinstance(matrix.flat[0], list):
        matrix = matrix.reshape(1, -1)  # one row, as the wrapper's own examples write it
    if matrix.ndim != 2 or not matrix.size:
        raise CallerMistake(
            'data must be rows of equal length: {"data": {"ndarray": [[1.0, 2.0], [3.0, 4.0]]}}'
        )
    if len(matrix) > max_rows:
        raise CallerMistake(
            f"the request has {len(matrix)} rows, and at most {max_rows} are answered at a time: "
            "send fewer in a request",
            status=413,
        )
    return matrix


def _places(names: Sequence[str], signature: Signature, *, width: int) -> list[int]:
    wanted = [spec.name for spec in signature.inputs]
    if names:
        given = [str(name) for name in names]
        missing = [name for name in wanted if name not in given]
        extra = [name for name in given if name not in wanted]
        if missing or extra or len(given) != width:
            raise CallerMistake(
                "data.names do not fit"
                + (f"; missing: {', '.join(missing)}" if missing else "")
                + (f"; unknown: {', '.join(extra)}" if extra else "")
                + f"; the model's inputs are: {', '.join(wanted)}, one column each"
            )
        return [given.index(name) for name in wanted]
    if width != len(wanted):
        raise CallerMistake(
            f"the rows have {width} values; the model takes {len(wanted)}: {', '.join(wanted)}"
        )
    return list(range(width))


def _cast(values: Tensor, spec: TensorSpec) -> Tensor:
    """Of the signature's datatype; null in a float column is NaN."""
    if spec.datatype == "BYTES":
        if any(not isinstance(value, str) for value in values.ravel().tolist()):
            raise CallerMistake(f"input {spec.name!r} takes texts")
        return values.astype(object)
    if values.dtype.kind in "US" or any(
        isinstance(value, str | list | dict) for value in values.ravel().tolist()
    ):
        raise CallerMistake(f"input {spec.name!r} takes numbers ({spec.datatype})")
    try:
        if spec.is_float:
            return values.astype(spec.numpy_type)
        cast = values.astype(np.float64)
        with np.errstate(invalid="ignore"):
            whole = cast.astype(spec.numpy_type)
    except (TypeError, ValueError, OverflowError):
        raise CallerMistake(f"input {spec.name!r} takes {spec.datatype} values") from None
    if not np.array_equal(whole.astype(np.float64), cast):
        raise CallerMistake(f"input {spec.name!r} takes {spec.datatype} values")
    return whole
