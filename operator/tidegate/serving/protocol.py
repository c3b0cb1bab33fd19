"""Open Inference Protocol v2 in JSON: request bodies to tensors, tensors to answers. Pure.

Every mistake of the caller becomes a `CallerMistake` whose text says how to mend it. It decides
nothing about HTTP but the status, and never looks at the model itself, only at its signature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidegate.serving.signature import Signature, TensorSpec

type Tensor = NDArray[Any]


class CallerMistake(Exception):
    """The request cannot be answered as it is. `status` is a 4xx; the text says the mend."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, Any] | None = None


class _Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Wanted] | None = None


class _Output(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Response(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[_Output]
    id: str | None = None


class _ErrorBody(msgspec.Struct):
    error: str


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that fits the signature: its tensors by name, as the shapes in the request say."""

    id: str | None
    tensors: Mapping[str, Tensor]
    rows: int
    wanted: tuple[TensorSpec, ...]


_UInt8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
_UInt16 = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
_UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_UInt64 = Annotated[int, msgspec.Meta(ge=0)]
_Int8 = Annotated[int, msgspec.Meta(ge=-(2**7), le=2**7 - 1)]
_Int16 = Annotated[int, msgspec.Meta(ge=-(2**15), le=2**15 - 1)]
_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]

_ELEMENTS: Mapping[str, Any] = {
    "BOOL": list[bool],
    "UINT8": list[_UInt8],
    "UINT16": list[_UInt16],
    "UINT32": list[_UInt32],
    "UINT64": list[_UInt64],
    "INT8": list[_Int8],
    "INT16": list[_Int16],
    "INT32": list[_Int32],
    "INT64": list[int],
    "FP32": list[float | None],
    "FP64": list[float | None],
    "BYTES": list[str],
}
_FLAT = {name: msgspec.json.Decoder(kind) for name, kind in _ELEMENTS.items()}
_REQUEST = msgspec.json.Decoder(_Request)
_ENCODER = msgspec.json.Encoder()


def decode_request(body: bytes, signature: Signature) -> Inference:
    """The tensors of a request's body, checked against `signature`.

    :raises CallerMistake: the body is no JSON, or does not fit the signature.
    """
    try:
        request = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        raise CallerMistake(f"the body is no inference request: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CallerMistake(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise CallerMistake("the body is nested too deeply") from None
    tensors = _tensors(request.inputs, signature.inputs)
    rows = {len(tensor) for tensor in tensors.values()}
    if len(rows) > 1:
        raise CallerMistake(
            "the inputs differ in their number of rows ("
            + ", ".join(f"{name}: {len(tensor)}" for name, tensor in tensors.items())
            + "); give each input one value a row"
        )
    return Inference(
        id=request.id,
        tensors=tensors,
        rows=rows.pop(),
        wanted=_wanted(request.outputs, signature.outputs),
    )


def encode_response(
    inference: Inference,
    outputs: Sequence[tuple[TensorSpec, Tensor]],
    *,
    model: str,
    version: str,
) -> bytes:
    """The answer's body. NaN and infinities have no JSON form and become null."""
    return _ENCODER.encode(
        _Response(
            model_name=model,
            model_version=version,
            id=inference.id,
            outputs=[
                _Output(spec.name, list(tensor.shape), spec.datatype, tensor.ravel().tolist())
                for spec, tensor in outputs
            ],
        )
    )


def encode_error(message: str) -> bytes:
    """The protocol's error body."""
    return _ENCODER.encode(_ErrorBody(message))


def encode(value: object) -> bytes:
    """Any plain value as JSON."""
    return _ENCODER.encode(value)


def _tensors(given: list[_Input], specs: tuple[TensorSpec, ...]) -> dict[str, Tensor]:
    known = {spec.name: spec for spec in specs}
    tensors: dict[str, Tensor] = {}
    for item in given:
        spec = known.get(item.name)
        if spec is None:
            raise CallerMistake(
                f"unknown input {_short(item.name)}; the model's inputs are: {', '.join(known)}"
            )
        if item.name in tensors:
            raise CallerMistake(f"input {item.name!r} stands there twice; give it once")
        tensors[item.name] = _tensor(item, spec)
    missing = [name for name in known if name not in tensors]
    if missing:
        raise CallerMistake(f"missing input: {', '.join(missing)}; give every input once")
    return tensors


def _tensor(item: _Input, spec: TensorSpec) -> Tensor:
    if item.datatype != spec.datatype:
        raise CallerMistake(
            f"input {spec.name!r} has datatype {_short(item.datatype)}; "
            f"the model takes {spec.datatype}"
        )
    shape = tuple(item.shape)
    if not shape or min(shape) < 1 or not spec.admits(shape):
        either = f"{list(spec.shape)} or [-1, 1]" if spec.shape == (-1,) else f"{list(spec.shape)}"
        raise CallerMistake(
            f"input {spec.name!r} has shape {_short(item.shape)}; the model takes {either}, "
            "where -1 is any number from 1"
        )
    try:
        values = _FLAT[spec.datatype].decode(item.data)
    except msgspec.ValidationError:
        values = _nested(item, spec, shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _no_json(spec, error) from None
    if len(values) != math.prod(shape):
        raise CallerMistake(
            f"input {spec.name!r} has {len(values)} values and shape {_short(item.shape)}, which "
            f"takes {_short(math.prod(shape))}: make them agree"
        )
    array = _array(values, spec)
    return array if len(shape) == 1 else array.reshape(shape)


def _array(values: list[Any], spec: TensorSpec) -> Tensor:
    try:
        # None becomes NaN here.
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=spec.numpy_type)
    except OverflowError:
        raise _too_large(spec) from None
    # JSON has no infinity: one that is here now was a number too large for 32 bits.
    if spec.datatype == "FP32" and np.isinf(array).any():
        raise _too_large(spec)
    return array


def _nested(item: _Input, spec: TensorSpec, shape: tuple[int, ...]) -> list[Any]:
    """The slow way: nested lists, row-major, or values of a wrong type to complain about."""
    try:
        values = msgspec.json.decode(item.data)
    except RecursionError:
        raise CallerMistake(f"the data of input {spec.name!r} are nested too deeply") from None
    except msgspec.ValidationError as error:
        raise CallerMistake(
            f"the data of input {spec.name!r} hold a number that no datatype can hold: {error}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _no_json(spec, error) from None
    if not isinstance(values, list):
        raise CallerMistake(f"the data of input {spec.name!r} must be a list")
    if any(isinstance(value, list) for value in values):
        values = _flatten(values, spec.name, shape)
    try:
        return list(msgspec.convert(values, _ELEMENTS[spec.datatype]))
    except msgspec.ValidationError as error:
        raise CallerMistake(
            f"the data of input {spec.name!r} do not fit {spec.datatype}: {error}"
        ) from None


def _flatten(values: list[Any], name: str, shape: tuple[int, ...]) -> list[Any]:
    mistake = CallerMistake(
        f"the nested lists of input {name!r} do not have its shape {_short(shape)}: nest them as "
        "the shape says, or give one flat list"
    )
    for depth, size in enumerate(shape):
        last = depth == len(shape) - 1
        if any(isinstance(value, list) == last for value in values):
            raise mistake
        if depth == 0 and len(values) != size:
            raise mistake
        if last:
            break
        if any(len(value) != shape[depth + 1] for value in values):
            raise mistake
        values = [element for value in values for element in value]
    return values


def _wanted(given: list[_Wanted] | None, specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    if not given:
        return specs
    known = {spec.name: spec for spec in specs}
    chosen: dict[str, TensorSpec] = {}
    for item in given:
        if item.name not in known:
            raise CallerMistake(
                f"unknown output {_short(item.name)}; the model's outputs are: {', '.join(known)}"
            )
        chosen[item.name] = known[item.name]
    return tuple(chosen.values())


def _too_large(spec: TensorSpec) -> CallerMistake:
    return CallerMistake(f"input {spec.name!r} holds a number that {spec.datatype} cannot hold")


def _no_json(spec: TensorSpec, error: Exception) -> CallerMistake:
    return CallerMistake(f"the data of input {spec.name!r} are no JSON: {error}")


def _short(given: str | int | Sequence[int]) -> str:
    """What a caller gave, in a message: cut, so that an answer stays small."""
    if isinstance(given, str):
        return repr(given if len(given) <= 60 else f"{given[:60]}…")
    if isinstance(given, int):
        return str(given) if given.bit_length() <= 64 else "more than 64 bits can count"
    dimensions = [_short(size) for size in given[:8]] + ["…"] * (len(given) > 8)
    return f"[{', '.join(dimensions)}]"
