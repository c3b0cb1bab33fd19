"""Evidence on means: the right side, the right size, and seldom wrong however often one looks."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.means import (
    half_width,
    larger_log_e,
    mean_half_width,
    mean_log_e,
    one_sided_half_width,
    smaller_log_e,
)
from tidegate.stats.moments import Moments

effects = st.floats(-100, 100)
positive = st.floats(1e-6, 1e3)


@given(t=st.floats(1, 1e8), alpha=st.floats(1e-6, 0.5), t_opt=st.floats(1, 1e6))
def test_widths_fall_with_more_values_and_one_side_is_narrower(
    t: float, alpha: float, t_opt: float
) -> None:
    for width in (half_width, one_sided_half_width):
        now = width(t, deviation=2.0, alpha=alpha, t_opt=t_opt)
        assert 0 < width(2 * t, deviation=2.0, alpha=alpha, t_opt=t_opt) < now
        assert width(t, deviation=1.0, alpha=alpha, t_opt=t_opt) == pytest.approx(now / 2)
    if alpha <= 0.05:
        both = half_width(t, deviation=1.0, alpha=alpha, t_opt=t_opt)
        assert one_sided_half_width(t, deviation=1.0, alpha=alpha, t_opt=t_opt) < both


def test_no_value_is_no_knowledge() -> None:
    assert half_width(0, deviation=1, alpha=0.05, t_opt=10) == math.inf
    assert one_sided_half_width(0, deviation=1, alpha=0.05, t_opt=10) == math.inf
    for log_e in (mean_log_e, larger_log_e, smaller_log_e):
        assert log_e(0.5, 0.0, tau2=1.0) is None
    assert mean_half_width(0.0, alpha=0.05, tau2=1.0) is None


@given(d=effects, v=positive, tau2=positive)
def test_both_sides_are_the_mean_of_one_side_and_the_other(d: float, v: float, tau2: float) -> None:
    both = mean_log_e(d, v, tau2=tau2)
    up, down = larger_log_e(d, v, tau2=tau2), smaller_log_e(d, v, tau2=tau2)
    assert both is not None
    assert up is not None
    assert down is not None
    top = max(up, down)
    mean = top + math.log((math.exp(up - top) + math.exp(down - top)) / 2)
    assert mean == pytest.approx(both, rel=1e-9, abs=1e-9)
    assert up >= down if d >= 0 else up <= down


@given(d=effects, v=positive, tau2=positive, more=st.floats(0, 10))
def test_a_larger_difference_is_never_less_evidence_that_it_is_larger(
    d: float, v: float, tau2: float, more: float
) -> None:
    less = larger_log_e(d, v, tau2=tau2)
    then = larger_log_e(d + more, v, tau2=tau2)
    assert less is not None
    assert then is not None
    assert then >= less - 1e-9 * (1 + abs(less))


@given(v=positive, tau2=positive, alpha=st.floats(1e-6, 0.5), theta=effects)
def test_the_interval_ends_where_the_evidence_rejects(
    v: float, tau2: float, alpha: float, theta: float
) -> None:
    width = mean_half_width(v, alpha=alpha, tau2=tau2)
    assert width is not None
    edge = mean_log_e(theta + width, v, tau2=tau2, theta=theta)
    assert edge == pytest.approx(math.log(1 / alpha), rel=1e-6)


def test_they_are_seldom_wrong_however_often_one_looks() -> None:
    rng, runs, alpha = random.Random(20130101), 200, 0.1
    missed = crossed = 0
    for _ in range(runs):
        seen, out, over = Moments(0, 0, 0), False, False
        for _ in range(200):
            x = rng.gauss()
            seen += Moments(1, x, x * x)
            if seen.n < 30 or seen.mean is None or seen.variance is None:
                continue
            width = half_width(seen.n, deviation=math.sqrt(seen.variance), alpha=alpha, t_opt=60)
            evidence = larger_log_e(seen.mean, seen.variance / seen.n, tau2=0.1)
            out = out or abs(seen.mean) > width
            over = over or (evidence is not None and evidence >= math.log(1 / alpha))
        missed += out
        crossed += over
    assert missed <= alpha * runs
    assert crossed <= alpha * runs


@pytest.mark.parametrize("tau2", [0.0, -1.0, math.nan])
def test_an_effect_of_no_size_is_refused(tau2: float) -> None:
    with pytest.raises(ValueError, match="tau2"):
        mean_log_e(0.1, 1.0, tau2=tau2)
    with pytest.raises(ValueError, match="tau2"):
        mean_half_width(1.0, alpha=0.05, tau2=tau2)


@pytest.mark.parametrize(("alpha", "t_opt"), [(0.0, 10), (1.0, 10), (0.1, 0)])
def test_senseless_settings_are_refused(alpha: float, t_opt: float) -> None:
    with pytest.raises(ValueError, match="t_opt"):
        half_width(10, deviation=1, alpha=alpha, t_opt=t_opt)
