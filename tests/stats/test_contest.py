"""A winner is declared when one arm fails least, and seldom when none does."""

from __future__ import annotations

import json
import math
import random

import pytest

from tidegate.stats import Counts
from tidegate.stats.contest import Contest

SAME = [Counts(20, 100), Counts(20, 100), Counts(20, 100)]


def played(rates: list[float], looks: int, seed: int, alpha: float) -> int | None:
    rng, state = random.Random(seed), Contest.start(len(rates))
    for _ in range(looks):
        state = state.update([Counts(rng.binomialvariate(50, p), 50) for p in rates])
        winner = state.winner(alpha)
        if winner is not None:
            return winner
    return None


def test_the_arm_that_fails_least_wins() -> None:
    assert [played([0.2, 0.1, 0.2], 400, seed, 0.05) for seed in range(5)] == [1] * 5


@pytest.mark.parametrize("rates", [[0.2, 0.2], [0.2, 0.2, 0.2]])
def test_among_equals_there_is_seldom_a_winner(rates: list[float]) -> None:
    runs = 100
    won = sum(played(rates, 60, seed, 0.1) is not None for seed in range(runs))
    assert won <= 0.1 * runs


def test_arms_without_traffic_take_no_part() -> None:
    state = Contest.start(3).update([Counts(1, 100), Counts(0, 0), Counts(30, 100)])
    assert state.grids[state.pairs.index((0, 2))] != (0.0,) * 7
    for pair in ((0, 1), (1, 0), (1, 2), (2, 1)):
        assert state.grids[state.pairs.index(pair)] == (0.0,) * 7
    assert state.winner(0.05) is None


def test_nothing_overflows_and_a_state_is_kept_exactly() -> None:
    huge = [Counts(0.1e9, 1e9), Counts(0.2e9, 1e9), Counts(0, 1e9)]
    state = Contest.start(3).update(SAME).update(huge)
    assert state.winner(0.01) == 2
    assert all(math.isfinite(v) for grid in state.grids for v in grid)
    kept = json.loads(json.dumps(state.as_dict(), allow_nan=False))
    assert Contest.from_dict(kept).as_dict() == kept


@pytest.mark.parametrize("broken", [{}, {"arms": 2, "e": [[0.0]]}, {"arms": 1, "e": []}])
def test_what_is_no_state_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="contest"):
        Contest.from_dict(broken)


def test_a_batch_needs_every_arm() -> None:
    with pytest.raises(ValueError, match="3 arms"):
        Contest.start(3).update(SAME[:2])


def test_among_arms_that_stay_the_others_count_for_nothing_and_the_level_is_higher() -> None:
    contest = Contest.start(3)
    for _ in range(30):
        contest = contest.update(
            [Counts(bad=5.0, n=100.0), Counts(bad=20.0, n=100.0), Counts(bad=0.0, n=100.0)]
        )
    assert contest.winner(0.05) == 2
    assert contest.winner(0.05, among=(0, 1)) == 0
    assert contest.log_e(0, among=(0, 1)) > contest.log_e(0)
    assert contest.level(0.05, among=(0, 1)) > contest.level(0.05)
    assert contest.level(0.05, among=(0, 1, 2)) == contest.level(0.05)
