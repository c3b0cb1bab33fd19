"""Step-up procedures find what is there and keep false discoveries rare."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.discoveries import by_log_e, by_p

p_values = st.lists(st.floats(0, 1), max_size=30)


@given(p_values, st.floats(0.001, 0.5))
def test_what_is_found_are_the_smallest_and_bonferroni_finds_no_more(
    p: list[float], q: float
) -> None:
    found = by_p(p, q)
    assert list(found) == sorted(set(found))
    assert {i for i, value in enumerate(p) if value <= q / len(p)} <= set(found)
    if found:
        rest = [value for i, value in enumerate(p) if i not in found]
        assert max(p[i] for i in found) <= min(rest, default=1)
    assert set(found) <= set(by_p(p, min(1.0, 2 * q)))


@given(p_values, st.floats(0.001, 0.5))
def test_inverse_p_values_taken_for_e_values_give_the_same(p: list[float], q: float) -> None:
    logs = [-math.log(value) if value > 0 else math.inf for value in p]
    clear = all(abs(value * len(p) / (q * i) - 1) > 1e-9 for value in p for i in range(1, 31))
    if clear:
        assert by_log_e(logs, q) == by_p(p, q)


def test_false_discoveries_stay_rare() -> None:
    rng, false_share, runs = random.Random(20130101), 0.0, 300
    for _ in range(runs):
        p = [rng.random() for _ in range(20)] + [rng.random() * 1e-4 for _ in range(5)]
        found = by_p(p, 0.1)
        assert {20, 21, 22, 23, 24} <= set(found)
        false_share += sum(i < 20 for i in found) / len(found) / runs
    assert false_share <= 0.1


def test_nothing_and_nonsense() -> None:
    assert by_p([], 0.1) == by_log_e([], 0.1) == ()
    assert by_p([math.nan, 1e-9], 0.1) == (1,)
    assert by_log_e([math.nan, 50.0, -math.inf], 0.1) == (1,)
    with pytest.raises(ValueError, match="q must"):
        by_log_e([1.0], 0.0)
