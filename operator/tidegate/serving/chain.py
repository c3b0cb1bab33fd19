"""A scikit-learn estimator as what is called for a prediction: transformations, then the last step.

A `Pipeline` asks at every call whether it is fitted and what its last step can do; for one row that
costs as much as a step. What it then does is its steps in their order, and that is done here. Every
step still checks its own input. A subclass of `Pipeline` may do anything else and is left whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.serving.protocol import Tensor

PASSED_THROUGH = (None, "passthrough")
"""What stands in a pipeline for a step that does nothing."""


class Chain:
    """The steps of a fitted estimator that have something to do; the last one predicts."""

    def __init__(self, estimator: Any) -> None:
        *before, last = _steps(estimator)
        self._transforms: tuple[Callable[[Any], Any], ...] = tuple(
            step.transform for step in before
        )
        self._predict: Callable[[Any], Any] = last.predict
        self._predict_proba: Callable[[Any], Any] | None = getattr(last, "predict_proba", None)

    def transform(self, given: Tensor) -> Any:
        """What the last step takes, from what the first one takes."""
        transformed: Any = given
        for transform in self._transforms:
            transformed = transform(transformed)
        return transformed

    def predict(self, transformed: Any) -> Tensor:
        return np.asarray(self._predict(transformed))

    def predict_proba(self, transformed: Any) -> Tensor:
        """Of a classifier that has probabilities: one a class."""
        assert self._predict_proba is not None, "asked of classifiers that have it"
        return np.asarray(self._predict_proba(transformed))


def _steps(estimator: Any) -> Iterator[Any]:
    """In their order; the steps of pipelines in pipelines among them."""
    if type(estimator) is not Pipeline:
        yield estimator
        return
    for _, step in estimator.steps:
        if step not in PASSED_THROUGH:
            yield from _steps(step)
