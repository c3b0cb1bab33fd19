"""Everything that an estimator is made of, and the few things changed in it before it serves."""

from __future__ import annotations

from types import BuiltinMethodType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT = 2_000_000
"""Objects looked at before giving up: more than any model that can be served has."""

_LEAVES = (
    str,
    bytes,
    int,
    float,
    bool,
    type(None),
    type,
    ModuleType,
    FunctionType,
    BuiltinMethodType,
)
"""Modules and functions lead out of the model, into everything that is imported."""


def parts_of(root: object) -> Iterator[Any]:
    """`root` and every object reachable from it by attributes, lists, tuples, dicts and arrays."""
    seen: set[int] = set()
    kept: list[object] = []  # an id is only unique while its object lives
    waiting: list[object] = [root]
    while waiting and len(seen) < _LIMIT:
        part = waiting.pop()
        if isinstance(part, _LEAVES) or id(part) in seen:
            continue
        seen.add(id(part))
        kept.append(part)
        yield part
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            waiting.extend(part)
        elif isinstance(part, np.ndarray):
            if part.dtype == object:
                waiting.extend(part.ravel().tolist())
        else:
            waiting.extend(vars(part).values() if hasattr(part, "__dict__") else ())


def prepare_for_serving(root: object) -> None:
    """Change what only makes sense in training.

    - `n_jobs`: a pool of threads for one row costs more than the prediction.
    - A `ColumnTransformer` that was fitted on a DataFrame picks its columns by name, and arrays
      have none: the names become the indices that it noted itself when it was fitted.
    """
    for part in parts_of(root):
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = 1
        if hasattr(part, "transformers_") and hasattr(part, "_transformer_to_input_indices"):
            part.transformers_ = [
                (name, step, _indices(part, name, columns))
                for name, step, columns in part.transformers_
            ]


def _indices(transformer: Any, name: str, columns: Any) -> Any:
    noted = transformer._transformer_to_input_indices.get(name)
    if noted is None:
        return columns
    # One column by its bare name means a one-dimensional input to the step, as for texts.
    return int(noted[0]) if isinstance(columns, str) else [int(index) for index in noted]


def known_values(step: Any) -> dict[int, Any]:
    """For the columns of `step` that only take certain values: one such value by column index.

    Encoders refuse a category that they never saw, so that a warm-up needs one that they did.
    """
    if isinstance(step, str) or step is None:
        return {}
    if hasattr(step, "transformers_"):
        found: dict[int, Any] = {}
        for _, inner, columns in step.transformers_:
            places = [columns] if isinstance(columns, int) else list(columns)
            for place, value in known_values(inner).items():
                if place < len(places) and isinstance(places[place], int):
                    found[places[place]] = value
        return found
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            if found := known_values(inner):
                return found
        return {}
    categories = getattr(step, "categories_", None)
    if categories is None:
        return {}
    return {index: known[0] for index, known in enumerate(categories) if len(known)}
