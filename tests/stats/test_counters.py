"""One counter: resets count in full, the first sample not at all, and NaN is nothing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.counters import increase

numbers = st.one_of(st.integers(0, 1000).map(float), st.just(math.nan))


def test_nan_is_skipped() -> None:
    assert increase([1.0, math.nan, 4.0, math.nan, 2.0]) == 5.0


@given(st.lists(numbers))
def test_an_increase_is_never_negative(samples: list[float]) -> None:
    assert increase(samples) >= 0


@given(st.lists(st.integers(0, 100)), st.integers(0, 1000))
def test_without_a_reset_only_the_ends_matter(steps: list[int], first: int) -> None:
    samples = [float(first)]
    for step in steps:
        samples.append(samples[-1] + step)
    assert increase(samples) == samples[-1] - first
