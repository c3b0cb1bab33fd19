"""A pipeline taken apart answers what the pipeline answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from tidegate.serving.chain import Chain

RNG = np.random.default_rng(7)
X = RNG.normal(size=(50, 3))
CLASSES = (X[:, 0] > X[:, 1]).astype(int)


class Doubled(Pipeline):  # type: ignore[misc]  # scikit-learn has no types
    """A pipeline that does something of its own."""

    def predict(self, X: Any, **params: Any) -> Any:
        return 2 * super().predict(X, **params)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(LogisticRegression()),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), "passthrough", None, LogisticRegression()),
        make_pipeline(
            make_pipeline(PolynomialFeatures(2), StandardScaler(), "passthrough"),
            make_pipeline(StandardScaler(), LogisticRegression()),
        ),
    ],
    ids=["no pipeline", "one step", "two steps", "steps left out", "pipelines in a pipeline"],
)
def test_it_answers_as_the_whole_does(estimator: Any) -> None:
    estimator.fit(X, CLASSES)
    chain = Chain(estimator)
    transformed = chain.transform(X)
    assert np.array_equal(chain.predict(transformed), estimator.predict(X))
    assert np.array_equal(chain.predict_proba(transformed), estimator.predict_proba(X))


def test_a_pipeline_with_methods_of_its_own_is_left_whole() -> None:
    estimator = Doubled([("scale", StandardScaler()), ("line", LinearRegression())])
    estimator.fit(X, X[:, 0])
    chain = Chain(estimator)
    assert np.array_equal(chain.predict(chain.transform(X)), estimator.predict(X))


def test_what_the_steps_refuse_is_refused() -> None:
    chain = Chain(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CLASSES))
    with pytest.raises(ValueError, match="NaN"):
        chain.predict(chain.transform(np.full((1, 3), np.nan)))
    with pytest.raises(ValueError, match="3 features"):
        chain.transform(X[:, :2])
    with pytest.raises(NotFittedError):
        Chain(make_pipeline(StandardScaler(), LinearRegression())).transform(X)
