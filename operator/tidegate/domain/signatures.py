"""What breaks callers when one signature takes the place of another. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.api.signature import Signature, Tensor


class Tensors(Protocol):
    """What has inputs and outputs."""

    @property
    def inputs(self) -> Sequence[Tensor]: ...

    @property
    def outputs(self) -> Sequence[Tensor]: ...


def breaking(promised: Tensors, given: Tensors) -> list[str]:
    """What of `given` breaks callers who go by `promised`, in words; empty when nothing does.

    Inputs must be the same by name and type, and by shape where both say it; outputs may be more.
    """
    return [
        *_missing(promised.inputs, given.inputs, "input {} is not taken any more"),
        *_missing(given.inputs, promised.inputs, "input {} is needed, and callers do not send it"),
        *_changed(promised.inputs, given.inputs, "input"),
        *_missing(promised.outputs, given.outputs, "output {} is missing"),
        *_changed(promised.outputs, given.outputs, "output"),
    ]


def contradiction(declared: Signature, known: Signature) -> list[str]:
    """Where a Model's signature cannot be that of its artifact, in words; empty where it can.

    As the server checks it when it loads: numbers are cast, so only names and whether it is text
    count; an input that is not declared may be one that the model does without; a matrix is
    checked against the model itself. Outputs have names of the server's there.
    """
    if any(_is_matrix(one) for one in (*declared.inputs, *known.inputs)):
        return []
    there = {one.name: one for one in known.inputs}
    found = [
        f"input {one.name} is unknown to it" for one in declared.inputs if one.name not in there
    ]
    found += [
        f"input {one.name} is {one.type}, and it takes {there[one.name].type}"
        for one in declared.inputs
        if one.name in there and (one.type == "BYTES") != (there[one.name].type == "BYTES")
    ]
    return found


def described(tensors: Iterable[Tensor]) -> str:
    """For messages: `temp FP64, all FP32 [10]`."""
    return ", ".join(_said(one) for one in tensors)


def _missing(wanted: Sequence[Tensor], there: Sequence[Tensor], words: str) -> list[str]:
    names = {one.name for one in there}
    return [words.format(_said(one)) for one in wanted if one.name not in names]


def _changed(wanted: Sequence[Tensor], there: Sequence[Tensor], what: str) -> list[str]:
    by_name = {one.name: one for one in there}
    both = [(one, by_name[one.name]) for one in wanted if one.name in by_name]
    return [
        f"{what} {before.name} was {_kind(before)}, and is {_kind(after)}"
        for before, after in both
        if before.type != after.type
        or (None not in (before.shape, after.shape) and before.shape != after.shape)
    ]


def _is_matrix(tensor: Tensor) -> bool:
    """Whether a row of it is more than one value."""
    return tensor.shape not in (None, [], [1])


def _said(tensor: Tensor) -> str:
    return f"{tensor.name} {_kind(tensor)}"


def _kind(tensor: Tensor) -> str:
    return f"{tensor.type} {tensor.shape}" if tensor.shape else tensor.type
