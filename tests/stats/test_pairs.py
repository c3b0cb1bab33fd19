"""Pairs that disagree decide who is right more often; pairs that agree say nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.pairs import pairs_log_e, worse_log_e

numbers = st.integers(0, 10**6)


@given(numbers, numbers)
def test_two_sides_are_the_mean_of_one_side_and_the_other(b: int, c: int) -> None:
    both = pairs_log_e(candidate_right=b, stable_right=c)
    worse = worse_log_e(candidate_right=b, stable_right=c)
    better = worse_log_e(candidate_right=c, stable_right=b)
    assert both == pairs_log_e(candidate_right=c, stable_right=b)
    top = max(worse, better)
    mean = top + math.log((math.exp(worse - top) + math.exp(better - top)) / 2)
    assert mean == pytest.approx(both, rel=1e-6, abs=1e-6)


@given(numbers, numbers)
def test_a_pair_lost_is_never_evidence_for_the_candidate(b: int, c: int) -> None:
    slack = 1e-9 * (1 + b + c)
    now = worse_log_e(candidate_right=b, stable_right=c)
    assert worse_log_e(candidate_right=b, stable_right=c + 1) >= now - slack


@pytest.mark.parametrize("n", [1, 6, 12])
def test_both_are_fair_bets_when_neither_is_better(n: int) -> None:
    chances = [math.comb(n, b) / 2**n for b in range(n + 1)]
    for log_e in (pairs_log_e, worse_log_e):
        mean = math.fsum(
            w * math.exp(log_e(candidate_right=b, stable_right=n - b))
            for b, w in enumerate(chances)
        )
        assert mean == pytest.approx(1, abs=1e-9)


def test_no_pair_is_no_evidence() -> None:
    assert pairs_log_e(candidate_right=0, stable_right=0) == 0
    assert worse_log_e(candidate_right=0, stable_right=0) == pytest.approx(0, abs=1e-12)
