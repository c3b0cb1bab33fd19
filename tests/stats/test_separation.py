"""The area under the curve and its test agree with Mann and Whitney."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from tidegate.stats.separation import separation

scores = st.lists(st.floats(-10, 10), min_size=1, max_size=30)


@given(scores, scores)
def test_it_agrees_with_scipy_ties_included(ones: list[float], zeros: list[float]) -> None:
    found = separation([1] * len(ones) + [0] * len(zeros), ones + zeros)
    statistic = mannwhitneyu(ones, zeros, method="asymptotic").statistic if ones != zeros else None
    assert found is not None
    if statistic is not None:
        assert found.auc == pytest.approx(statistic / (len(ones) * len(zeros)))
    mirrored = separation([0] * len(ones) + [1] * len(zeros), ones + zeros)
    assert mirrored is not None
    assert mirrored.auc == pytest.approx(1 - found.auc)
    assert mirrored.p == pytest.approx(1 - found.p)


def test_one_sample_cannot_be_told_apart() -> None:
    assert separation([1, 1], [0.1, 0.2]) is None
    assert separation([], []) is None
    for labels, values in (([1], [0.1, 0.2]), ([1, 0], [0.1, math.nan])):
        with pytest.raises(ValueError, match="score"):
            separation(labels, values)
