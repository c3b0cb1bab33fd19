"""`profile.json`, a model's reference: bins and counts of each feature and output. Pure.

It is made when the model is trained and lies beside the artifact; docs/serving.md has the format.
A profile that does not fit is left out, with a warning that says why: it is for watching a model,
never a reason not to serve it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec

from tidegate.serving.bins import (
    MAX_CATEGORIES,
    MISSING,
    OTHER,
    Bins,
    CategoryBins,
    NumericBins,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1024 * 1024
MAX_EDGES = 50


type _Count = Annotated[int, msgspec.Meta(ge=0)]


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    counts: list[_Count]
    edges: list[float] | None = None
    categories: list[str | float | bool] | None = None
    other: _Count = 0
    missing: _Count = 0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    features: dict[str, _Column] = {}
    outputs: dict[str, _Column] = {}


@dataclass(frozen=True, slots=True)
class Reference:
    """One column's bins, and how many values of the reference fell into each of them."""

    bins: Bins
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """References by column: a tensor's name, or `name[i]` for a column of a matrix."""

    features: Mapping[str, Reference] = field(default_factory=dict)
    outputs: Mapping[str, Reference] = field(default_factory=dict)


def parse_profile(content: bytes) -> Profile:
    """The profile of a file's content.

    :raises ValueError: it is none; says which entry is wrong, and how it should be.
    """
    try:
        found = msgspec.json.decode(content, type=_File)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it cannot be read: {error}") from None
    if found.version != 1:
        raise ValueError(f"it has version {found.version}; this server reads version 1")
    return Profile(
        features={name: _reference(name, column) for name, column in found.features.items()},
        outputs={name: _reference(name, column) for name, column in found.outputs.items()},
    )


def _reference(name: str, column: _Column) -> Reference:
    if (column.edges is None) == (column.categories is None):
        raise ValueError(f"{name!r} needs either edges (numbers) or categories")
    if column.edges is not None:
        return _numeric(name, column, column.edges)
    assert column.categories is not None
    categories = column.categories
    if not 1 <= len(categories) <= MAX_CATEGORIES or len(set(categories)) < len(categories):
        raise ValueError(f"{name!r} needs 1 to {MAX_CATEGORIES} categories, each once")
    if {"", OTHER, MISSING} & {each for each in categories if isinstance(each, str)}:
        raise ValueError(f"{name!r} has a category '', {OTHER!r} or {MISSING!r}: count it as such")
    if len(column.counts) != len(categories):
        raise ValueError(f"{name!r} has {len(categories)} categories: give that many counts")
    return Reference(CategoryBins(categories), (*column.counts, column.other, column.missing))


def _numeric(name: str, column: _Column, edges: list[float]) -> Reference:
    if not 1 <= len(edges) <= MAX_EDGES or not all(map(math.isfinite, edges)):
        raise ValueError(f"{name!r} needs 1 to {MAX_EDGES} edges, all of them finite")
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError(f"{name!r}: its edges must rise")
    if len(column.counts) != len(edges) + 1:
        raise ValueError(
            f"{name!r} has {len(edges)} edges: give {len(edges) + 1} counts, of what lies below "
            "the first, between each two, and from the last on"
        )
    if column.other:
        raise ValueError(f"{name!r} has edges: `other` is for categories alone")
    return Reference(NumericBins(edges), (*column.counts, column.missing))
