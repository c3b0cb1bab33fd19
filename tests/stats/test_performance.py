"""Quality expected from calibrated scores, and how to tell that they are calibrated."""

from __future__ import annotations

import math
import random
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.performance import calibration_error, expected_performance


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_every_share_is_one_or_unknown(scores: list[float], threshold: float) -> None:
    found = expected_performance(scores, threshold)
    assert found is not None
    assert all(math.isnan(v) or -1e-9 <= v <= 1 + 1e-9 for v in asdict(found).values())
    assert math.isnan(found.precision) is all(s < threshold for s in scores)


def test_calibrated_scores_tell_the_accuracy() -> None:
    rng = random.Random(20130101)
    scores = [rng.random() for _ in range(20_000)]
    labels = [int(rng.random() < s) for s in scores]
    found = expected_performance(scores)
    right = sum((s >= 0.5) == bool(y) for s, y in zip(scores, labels, strict=True)) / len(scores)
    assert found is not None
    assert abs(found.accuracy - right) < 4 * found.accuracy_error
    assert calibration_error(scores, labels) < 0.02
    assert calibration_error([1 - s for s in scores], labels) > 0.3


def test_nothing_and_nonsense() -> None:
    assert expected_performance([]) is None
    assert math.isnan(calibration_error([], []))
    for scores in ([1.1], [-0.1], [math.nan]):
        with pytest.raises(ValueError, match="probabilities"):
            expected_performance(scores)
    with pytest.raises(ValueError, match="label"):
        calibration_error([0.5], [])
