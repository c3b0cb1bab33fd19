"""The rule: first Rollback, then Promote, then Inconclusive, else Continue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.decision import (
    Decision,
    Exposure,
    blamed,
    decide,
    guard_level,
    promote_level,
    rollback_level,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH = Exposure(1000, least_requests=500, elapsed_s=600, least_s=300, most_s=7200)
LATE = Exposure(1000, least_requests=500, elapsed_s=7200, least_s=300, most_s=7200)


def decided(
    rollback: list[float], promote: list[float], exposure: Exposure, guards: Sequence[float] = ()
) -> Decision:
    return decide(
        rollback=rollback,
        promote=promote,
        guards=guards,
        alpha_r=0.01,
        alpha_p=0.05,
        exposure=exposure,
    )


logs = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5)


def test_levels_are_exact_and_ties_go_to_rollback() -> None:
    at = math.log(200)
    assert rollback_level(0.01) == at
    assert guard_level(0.01, 0) == guard_level(0.01, 1) == at
    assert guard_level(0.01, 3) == pytest.approx(math.log(600))
    assert promote_level(0.05) == math.log(20)
    found = decided([at], [math.log(20)], LATE)
    assert found == Decision("Rollback", "EvidenceRollsBack", (0,))
    below = math.nextafter(at, 0)
    found = decided([below], [math.log(20)], LATE)
    assert found == Decision("Promote", "EvidencePromotes")


def test_a_broken_guard_comes_before_everything() -> None:
    found = decided([9.0], [9.0], ENOUGH, guards=[0.0, 6.0, 7.0])
    assert found == Decision("Rollback", "GuardBroken", (2,))


@pytest.mark.parametrize(
    ("promote", "exposure", "expected"),
    [
        ([9.0, 2.0], ENOUGH, Decision("Continue", "EvidenceMissing", (1,))),
        ([9.0, 2.0], LATE, Decision("Inconclusive", "DeadlinePassed", (1,))),
        ([9.0], Exposure(499, least_requests=500), Decision("Continue", "RequestsMissing")),
        ([9.0], Exposure(500, elapsed_s=299, least_s=300), Decision("Continue", "TooEarly")),
        ([9.0], Exposure(500, least_requests=500), Decision("Promote", "EvidencePromotes")),
        ([math.nan], ENOUGH, Decision("Continue", "EvidenceMissing", (0,))),
        ([], ENOUGH, Decision("Promote", "EvidencePromotes")),
    ],
)
def test_a_promotion_needs_all_evidence_requests_and_time(
    promote: list[float], exposure: Exposure, expected: Decision
) -> None:
    assert decided([0.0], promote, exposure) == expected


@given(rollback=logs, promote=logs, more=st.floats(0, 100), which=st.integers(0, 4))
def test_more_evidence_against_it_never_turns_a_rollback_around(
    rollback: list[float], promote: list[float], more: float, which: int
) -> None:
    now = decided(rollback, promote, ENOUGH)
    worse = [v + more * (i == which) for i, v in enumerate(rollback)]
    then = decided(worse, promote, ENOUGH)
    assert now.verdict != "Rollback" or then.verdict == "Rollback"


@given(rollback=logs)
def test_who_is_blamed_exists_and_the_worst_is_named_first(rollback: list[float]) -> None:
    found = blamed(rollback, alpha_r=0.01)
    assert rollback[found[0]] == pytest.approx(max(rollback), abs=1e-9)
    assert len(set(found)) == len(found)


def test_blame_takes_the_weights_into_account() -> None:
    assert blamed([7.0, 6.0], alpha_r=0.01) == (0, 1)
    assert blamed([7.0, 6.0], [1, 99], alpha_r=0.01) == (1,)
    assert blamed([0.0, -math.inf], [0, 1], alpha_r=0.01) in ((0,), (1,))


def test_outliers_are_averaged_away_without_overflow() -> None:
    quiet = decided([5.9, -math.inf], [0.0], ENOUGH)
    assert quiet.verdict == "Continue"
    loud = decided([1e9, -1e9], [0.0], ENOUGH)
    assert loud == Decision("Rollback", "EvidenceRollsBack", (0,))
