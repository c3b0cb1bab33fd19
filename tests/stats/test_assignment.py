"""A mismatch of the shares is seen; a fair assignment is left alone, however often one looks."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Counts, log_mean_exp
from tidegate.stats.assignment import ALARM, SHARE_MULTIPLES, assignment_log_e, share_step
from tidegate.stats.eprocess import ratio_step

ZERO = (0.0,) * len(SHARE_MULTIPLES)


@pytest.mark.parametrize("n", [1, 5, 12])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_both_are_fair_bets_when_the_shares_hold(n: int, share: float) -> None:
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    whole = [assignment_log_e([k, n - k], [share, 1 - share]) for k in range(n + 1)]
    step = [log_mean_exp(share_step(ZERO, arm=k, others=n - k, share=share)) for k in range(n + 1)]
    for log_e in (whole, step):
        assert math.fsum(
            w * math.exp(v) for w, v in zip(chances, log_e, strict=True)
        ) == pytest.approx(1, abs=1e-9)


@given(k=st.integers(0, 100), others=st.integers(0, 100), share=st.floats(0.01, 0.99))
def test_a_step_is_the_ratio_test_with_shares_for_requests(
    k: int, others: int, share: float
) -> None:
    expected = ratio_step(
        ZERO,
        candidate=Counts(k, share * 1e6),
        stable=Counts(others, (1 - share) * 1e6),
        ratio=1.0,
        multiples=SHARE_MULTIPLES,
    )
    assert share_step(ZERO, arm=k, others=others, share=share) == pytest.approx(expected)


def test_a_fair_assignment_is_left_alone_and_a_skewed_one_is_not() -> None:
    rng = random.Random(20130101)

    def alarmed(share: float, looks: int) -> bool:
        k = n = 0
        for _ in range(looks):
            n += 500
            k += rng.binomialvariate(500, share)
            if assignment_log_e([k, n - k], [0.5, 0.5]) >= ALARM:
                return True
        return False

    assert not any(alarmed(0.5, 100) for _ in range(30))
    assert all(alarmed(0.53, 200) for _ in range(10))


def test_no_user_or_no_choice_is_no_evidence() -> None:
    assert assignment_log_e([0, 0], [1, 3]) == pytest.approx(0, abs=1e-12)
    for share in (0.0, 1.0):
        assert share_step(ZERO, arm=3, others=4, share=share) == ZERO
    assert share_step(ZERO, arm=0, others=0, share=0.3) == ZERO


def test_nothing_overflows_at_a_billion_users() -> None:
    assert assignment_log_e([5e8, 5e8], [1, 1]) < 0
    assert ALARM < assignment_log_e([5.01e8, 4.99e8], [1, 1]) < math.inf


@pytest.mark.parametrize(("users", "shares"), [([1], [1, 1]), ([], []), ([1, 1], [1, 0])])
def test_senseless_shares_are_refused(users: list[float], shares: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        assignment_log_e(users, shares)
    with pytest.raises(ValueError, match="share"):
        share_step(ZERO, arm=1, others=1, share=1.1)
