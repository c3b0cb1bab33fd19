"""Top-two Thompson: shares that add up, favour the best two, and come again with the same seed."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Counts
from tidegate.stats.allocation import FLOOR, best_chances, top_two_shares

arms = st.lists(
    st.integers(0, 10**6).flatmap(
        lambda n: st.integers(0, n).map(lambda bad: Counts(float(bad), float(n)))
    ),
    min_size=2,
    max_size=5,
)


@given(arms, st.integers(0, 1000))
def test_shares_add_up_and_come_again_with_the_same_seed(found: list[Counts], seed: int) -> None:
    chances = best_chances(found, random.Random(seed), draws=50)
    assert chances == best_chances(found, random.Random(seed), draws=50)
    assert math.fsum(chances) == pytest.approx(1)
    shares = top_two_shares(chances)
    assert math.fsum(shares) == pytest.approx(1)
    assert min(shares) >= FLOOR
    best = chances.index(max(chances))
    assert shares[best] == pytest.approx(max(shares))


def test_the_best_gets_half_and_the_second_best_most_of_the_rest() -> None:
    found = [Counts(300, 1000), Counts(110, 1000), Counts(100, 1000)]
    shares = top_two_shares(best_chances(found, random.Random(1)))
    assert shares[2] == pytest.approx(0.5, abs=0.1)
    assert shares[1] > 0.35
    assert shares[0] == FLOOR


def test_nothing_known_is_shared_out_evenly() -> None:
    assert top_two_shares([0.25] * 4) == pytest.approx([0.25] * 4)
    assert top_two_shares([0.2] * 5, floor=0.2) == pytest.approx([0.2] * 5)
    assert top_two_shares([0.98, 0.01, 0.01], floor=1 / 3) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("chances", [[1.0], [1.0, 0.0], [0.5, 0.6], [0.5, math.nan]])
def test_what_are_no_chances_is_refused(chances: list[float]) -> None:
    with pytest.raises(ValueError, match="chances"):
        top_two_shares(chances)
    with pytest.raises(ValueError, match="floor"):
        top_two_shares([0.5, 0.5], floor=0.6)
