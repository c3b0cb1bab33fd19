"""The part of a Model that says what it takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from tidegate.api.base import ApiModel

DataType = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BYTES",
]  # fmt: skip


class Tensor(ApiModel):
    """One input or output of the model."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Its name in requests and answers."
    )
    type: DataType = Field(description="Its data type, as the Open Inference Protocol writes it.")
    shape: Annotated[list[int], Field(max_length=8)] | None = Field(
        default=None,
        description="Its shape after the batch dimension; absent for one value a row; -1 is any.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


TENSORS: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
"""A list of tensors, each name once."""


class Signature(ApiModel):
    """What the model takes and gives. A server refuses to start when the artifact does not fit."""

    inputs: list[Tensor] = Field(
        min_length=1, max_length=512, description="What it takes, in the model's column order.",
        json_schema_extra=TENSORS,
    )  # fmt: skip
    outputs: list[Tensor] = Field(
        min_length=1, max_length=64, description="What it gives.", json_schema_extra=TENSORS
    )
