"""What evidence must be like, whatever the counts: fair, monotone, finite, and kept exactly."""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Comparison, Counts, Margin, log_mean_exp
from tidegate.stats.eprocess import (
    PROMOTE_MULTIPLES,
    ROLLBACK_MULTIPLES,
    difference_step,
    promote_alternatives,
    ratio_step,
    rollback_alternatives,
)

MARGIN = Margin(ratio=1.5, absolute=0.005)
NO_HISTORY = Counts(0, 0)

margins = st.builds(
    Margin,
    ratio=st.floats(1.0, 5.0),
    absolute=st.floats(0.0001, 0.3),
)


@st.composite
def counts(draw: st.DrawFn, most: float = 1e5) -> Counts:
    n = draw(st.integers(0, int(most)))
    return Counts(bad=draw(st.integers(0, n)), n=n)


def after(*batches: tuple[Counts, Counts], margin: Margin = MARGIN) -> Comparison:
    state = Comparison.start()
    for candidate, stable in batches:
        state = state.update(candidate=candidate, stable=stable, margin=margin, history=NO_HISTORY)
    return state


def outcomes(n: int, rate: float) -> list[tuple[int, float]]:
    return [(k, math.comb(n, k) * rate**k * (1 - rate) ** (n - k)) for k in range(n + 1)]


EDGES = [0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.79]


Step = Callable[[Counts, Counts], tuple[float, ...]]


def expectations(step: Step, *, n_c: int, n_s: int, p_c: float, p_s: float) -> list[float]:
    """The mean of every e-value of one batch, over all that can happen at these rates."""
    means: list[float] = []
    for (k_c, w_c), (k_s, w_s) in itertools.product(outcomes(n_c, p_c), outcomes(n_s, p_s)):
        grid = step(Counts(k_c, n_c), Counts(k_s, n_s))
        means = means or [0.0] * len(grid)
        means = [mean + w_c * w_s * math.exp(v) for mean, v in zip(means, grid, strict=True)]
    return means


@pytest.mark.parametrize("p_s", EDGES)
@pytest.mark.parametrize(("n_c", "n_s"), [(1, 9), (4, 4), (6, 2)])
@pytest.mark.parametrize("rollback", [True, False])
def test_ratio_evidence_is_a_fair_bet_where_the_null_is_true(
    p_s: float, n_c: int, n_s: int, rollback: bool
) -> None:
    multiples = ROLLBACK_MULTIPLES if rollback else PROMOTE_MULTIPLES

    def step(candidate: Counts, stable: Counts) -> tuple[float, ...]:
        zero = (0.0,) * len(multiples)
        return ratio_step(zero, candidate=candidate, stable=stable, ratio=1.25, multiples=multiples)

    edge = 1.25 * p_s
    for p_c in (edge, 0.5 * p_s if rollback else (1 + edge) / 2):
        assert max(expectations(step, n_c=n_c, n_s=n_s, p_c=p_c, p_s=p_s)) <= 1 + 1e-9


@pytest.mark.parametrize("p_s", EDGES)
@pytest.mark.parametrize(("n_c", "n_s"), [(1, 9), (4, 4), (6, 2)])
@pytest.mark.parametrize("rollback", [True, False])
@pytest.mark.parametrize("q_s", [0.001, 0.3])
def test_difference_evidence_is_a_fair_bet_where_the_null_is_true(
    p_s: float, n_c: int, n_s: int, rollback: bool, q_s: float
) -> None:
    alternatives = (rollback_alternatives if rollback else promote_alternatives)(q_s, 0.2)

    def step(candidate: Counts, stable: Counts) -> tuple[float, ...]:
        return difference_step(
            (0.0,) * len(alternatives),
            candidate=candidate,
            stable=stable,
            margin=0.2,
            alternatives=alternatives,
            q_s=q_s,
            rollback=rollback,
        )

    edge = p_s + 0.2
    for p_c in (edge, 0.5 * p_s if rollback else (1 + edge) / 2):
        assert max(expectations(step, n_c=n_c, n_s=n_s, p_c=p_c, p_s=p_s)) <= 1 + 1e-9


@given(candidate=counts(), stable=counts(), margin=margins)
def test_more_bad_answers_of_the_candidate_never_help_it(
    candidate: Counts, stable: Counts, margin: Margin
) -> None:
    before = after((candidate, stable), margin=margin)
    worse = Counts(min(candidate.bad + 1, candidate.n), candidate.n)
    state = after((worse, stable), margin=margin)
    slack = 1e-9 * (1 + candidate.n + stable.n)
    assert state.log_e_rollback >= before.log_e_rollback - slack
    assert state.log_e_promote <= before.log_e_promote + slack


@given(candidate=counts(), stable=counts(), margin=margins)
def test_more_bad_answers_of_stable_never_hurt_the_candidate(
    candidate: Counts, stable: Counts, margin: Margin
) -> None:
    before = after((candidate, stable), margin=margin)
    worse = Counts(min(stable.bad + 1, stable.n), stable.n)
    state = after((candidate, worse), margin=margin)
    slack = 1e-9 * (1 + candidate.n + stable.n)
    assert state.log_e_rollback <= before.log_e_rollback + slack
    assert state.log_e_promote >= before.log_e_promote - slack


@given(first=counts(), second=counts(), margin=margins)
def test_an_arm_without_traffic_adds_nothing(first: Counts, second: Counts, margin: Margin) -> None:
    before = after((first, second), margin=margin)
    for candidate, stable in ((Counts(0, 0), second), (second, Counts(0, 0))):
        state = before.update(candidate=candidate, stable=stable, margin=margin, history=NO_HISTORY)
        assert state.log_e_rollback == before.log_e_rollback
        assert state.log_e_promote == before.log_e_promote


@given(
    pieces=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 95)), min_size=1, max_size=8),
    ratio=st.floats(1.0, 4.0),
)
def test_cutting_a_batch_at_constant_weight_changes_no_ratio_evidence(
    pieces: list[tuple[int, int]], ratio: float
) -> None:
    zero = (0.0,) * len(ROLLBACK_MULTIPLES)
    cut = zero
    for k_c, k_s in pieces:
        cut = ratio_step(
            cut,
            candidate=Counts(k_c, 5),
            stable=Counts(k_s, 95),
            ratio=ratio,
            multiples=ROLLBACK_MULTIPLES,
        )
    whole = ratio_step(
        zero,
        candidate=Counts(sum(k for k, _ in pieces), 5 * len(pieces)),
        stable=Counts(sum(k for _, k in pieces), 95 * len(pieces)),
        ratio=ratio,
        multiples=ROLLBACK_MULTIPLES,
    )
    assert cut == pytest.approx(whole, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("other", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("split", [1e-6, 0.05, 0.5, 1 - 1e-6])
def test_nothing_overflows_at_a_billion_requests(share: float, other: float, split: float) -> None:
    n_c, n_s = 1e9 * split, 1e9 * (1 - split)
    batch = Counts(share * n_c, n_c), Counts(other * n_s, n_s)
    state = after(batch, batch)
    assert math.isfinite(state.log_e_rollback)
    assert math.isfinite(state.log_e_promote)
    assert json.loads(json.dumps(state.as_dict(), allow_nan=False)) == state.as_dict()


@given(batches=st.lists(st.tuples(counts(), counts()), max_size=4), margin=margins)
def test_a_state_that_is_read_and_written_again_stays_the_same(
    batches: list[tuple[Counts, Counts]], margin: Margin
) -> None:
    state = after(*batches, margin=margin)
    kept = json.loads(json.dumps(state.as_dict(), allow_nan=False))
    again = Comparison.from_dict(kept)
    assert again.as_dict() == kept
    assert again.log_e_rollback == pytest.approx(state.log_e_rollback, rel=1e-6, abs=2e-6)
    assert again.log_e_promote == pytest.approx(state.log_e_promote, rel=1e-6, abs=2e-6)


def test_a_state_of_before_the_grids_were_packed_is_read() -> None:
    five, nine = [1.0] * 5, [-2.5] * 9
    old = {"rr": nine, "rd": nine, "pr": nine, "pd": five, "c": [1.0, 10.0], "s": [2.0, 20.0]}
    found = Comparison.from_dict(old)
    assert (found.rollback_ratio, found.promote_difference) == (tuple(nine), tuple(five))
    assert Comparison.from_dict(found.as_dict()) == found


@pytest.mark.parametrize(
    "broken", [{}, {"rr": [0.0]}, {"rr": [0.0] * 9, "c": [1, 2, 3]}, {"g": "AAAA"}, {"g": "?"}]
)
def test_what_is_no_state_is_refused(broken: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="not the state of a comparison"):
        Comparison.from_dict(broken)


def test_two_errors_against_none_do_not_roll_back_at_tiny_rates() -> None:
    state = after((Counts(2, 300), Counts(0, 5700)))
    assert log_mean_exp(state.rollback_ratio) > math.log(1 / 0.05)
    assert state.log_e_rollback < math.log(1 / 0.05)


def test_a_candidate_that_always_fails_is_caught_by_the_first_batch() -> None:
    assert after((Counts(75, 75), Counts(14, 1425))).log_e_rollback > math.log(1 / 0.005)


def test_an_outage_of_both_arms_is_no_evidence_against_the_candidate() -> None:
    assert after((Counts(75, 75), Counts(1425, 1425))).log_e_rollback <= 0


def test_an_identical_candidate_is_promoted_in_time_even_without_errors() -> None:
    state = after(*[(Counts(0, 75), Counts(0, 1425))] * 20)
    assert state.log_e_promote >= math.log(1 / 0.05)


def test_history_counts_for_at_most_two_thousand_requests() -> None:
    def judged(history: Counts) -> Comparison:
        return Comparison.start().update(
            candidate=Counts(3, 100), stable=Counts(5, 1900), margin=MARGIN, history=history
        )

    assert judged(Counts(2e6, 2e8)) == judged(Counts(20, 2000))


@pytest.mark.parametrize(("p_s", "worst"), [(0.0, 0.0025), (0.02, 0.02 * math.sqrt(1.5))])
def test_a_candidate_at_the_margin_is_seldom_rolled_back(p_s: float, worst: float) -> None:
    """120 looks each; alpha bounds the chance of ever crossing, here at the edge of the null."""
    alpha, runs, crossed = 0.1, 100, 0
    rng = random.Random(20130101)
    for _ in range(runs):
        state = Comparison.start()
        for _ in range(120):
            state = state.update(
                candidate=Counts(rng.binomialvariate(75, worst), 75),
                stable=Counts(rng.binomialvariate(1425, p_s), 1425),
                margin=MARGIN,
                history=Counts(2000 * p_s, 2000),
            )
            if state.log_e_rollback >= math.log(1 / alpha):
                crossed += 1
                break
    assert crossed <= alpha * runs


def test_log_mean_exp_is_a_weighted_mean() -> None:
    assert log_mean_exp([0.0, math.log(3)]) == pytest.approx(math.log(2))
    assert log_mean_exp([math.log(2), -math.inf], [3, 1]) == pytest.approx(math.log(1.5))
    assert log_mean_exp([5000.0, 5000.0]) == pytest.approx(5000.0)
    assert log_mean_exp([-math.inf, -math.inf]) == -math.inf
    assert log_mean_exp([math.inf, 0.0]) == math.inf
    assert log_mean_exp([math.inf, 1.0], [0, 1]) == 1.0
    assert log_mean_exp([4.6, -50.0], [9, 1]) < math.log(100)


@pytest.mark.parametrize(
    ("values", "weights"), [([], None), ([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([1.0, 1.0], [2, -1])]
)
def test_log_mean_exp_refuses_senseless_weights(
    values: list[float], weights: list[float] | None
) -> None:
    with pytest.raises(ValueError, match="weights"):
        log_mean_exp(values, weights)


def test_an_update_is_fast() -> None:
    """0.2 ms where this was written; the limit only catches a change of kind on a busy machine."""
    state, begin = Comparison.start(), time.process_time()
    for _ in range(200):
        state = state.update(
            candidate=Counts(1, 75), stable=Counts(14, 1425), margin=MARGIN, history=NO_HISTORY
        )
    assert (time.process_time() - begin) / 200 < 0.003
