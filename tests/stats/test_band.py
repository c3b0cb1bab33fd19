"""The band holds at every look and narrows with traffic."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.band import lil_band, lil_constant


@given(n=st.floats(1, 1e9), alpha=st.floats(1e-9, 0.9))
def test_more_values_and_less_certainty_narrow_it(n: float, alpha: float) -> None:
    width = lil_band(n, alpha)
    assert 0 < lil_band(n * 2, alpha) < width
    assert lil_band(n, alpha * 1.1) <= width


def test_there_is_none_before_its_first_value() -> None:
    assert lil_band(99, 0.05, t_min=100) == math.inf
    assert lil_band(0, 0.05) == math.inf


def test_its_constant_is_the_published_one() -> None:
    assert lil_constant(0.05) == pytest.approx(8.123, abs=1e-3)


@pytest.mark.parametrize(("alpha", "t_min"), [(0.0, 1), (1.0, 1), (0.05, 0.5), (math.nan, 1)])
def test_senseless_settings_are_refused(alpha: float, t_min: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        lil_band(10, alpha, t_min=t_min)


def test_it_holds_the_whole_distribution_at_every_look() -> None:
    rng, missed, runs = random.Random(20130101), 0, 100
    for _ in range(runs):
        counts = [0] * 10
        for n in range(1, 301):
            counts[rng.randrange(10)] += 1
            gap = max(abs(sum(counts[: i + 1]) / n - (i + 1) / 10) for i in range(10))
            if gap > lil_band(n, 0.1):
                missed += 1
                break
    assert missed <= 10
