"""Bursts are seen as bursts, and independent errors are not."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Counts
from tidegate.stats.dispersion import LEAST_BLOCKS, dispersion, pearson_phi, thinned

Blocks = list[tuple[Counts, Counts]]


def blocks(size: int, *, number: int = 1000, seed: int = 1) -> Blocks:
    """Two halves of 1,000 requests a block; errors come in clusters of `size`."""
    rng = random.Random(seed)

    def half() -> Counts:
        return Counts(size * rng.binomialvariate(1000 // size, 0.01), 1000)

    return [(half(), half()) for _ in range(number)]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_clusters_of_g_errors_give_about_g(size: int) -> None:
    assert pearson_phi(blocks(size)) == pytest.approx(size, rel=0.15)
    assert dispersion(blocks(size)).phi == pytest.approx(1.5 * size, rel=0.15)


def test_without_errors_or_blocks_nothing_is_known() -> None:
    assert math.isnan(pearson_phi([]))
    assert math.isnan(pearson_phi([(Counts(0, 10), Counts(0, 10))]))
    assert math.isnan(pearson_phi([(Counts(5, 10), Counts(0, 0))]))
    assert dispersion([(Counts(0, 10), Counts(0, 10))] * LEAST_BLOCKS) == (1.0, False)
    assert dispersion(blocks(10, number=LEAST_BLOCKS - 1)) == (1.0, False)
    assert dispersion(blocks(10, number=LEAST_BLOCKS)).verified


halves = st.integers(0, 1000).flatmap(
    lambda n: st.integers(0, n).map(lambda bad: Counts(float(bad), float(n)))
)


@given(st.lists(st.tuples(halves, halves)))
def test_which_half_comes_first_and_blocks_without_errors_do_not_matter(found: Blocks) -> None:
    phi = pearson_phi(found)
    clean = [(Counts(0, 7), Counts(0, 5))]
    for same in ([(b, a) for a, b in found], found[::-1], found + clean):
        assert pearson_phi(same) == pytest.approx(phi, rel=1e-9, nan_ok=True)


def test_thinning_keeps_the_rate() -> None:
    assert thinned(Counts(30, 600), 3.0) == Counts(10, 200)
    for phi in (0.5, math.nan):
        with pytest.raises(ValueError, match="phi"):
            thinned(Counts(1, 2), phi)
