"""The table of phases: complete, closed, and with a way back from everywhere."""

from __future__ import annotations

from typing import get_args

import pytest

from tidegate.api.rollout_status import Phase
from tidegate.domain.rollout.sizes import carried, needed
from tidegate.domain.rollout.transitions import ACTIVE, IDLE, TRANSITIONS, following

PHASES = set(get_args(Phase))


def test_the_table_speaks_only_of_phases_of_the_api() -> None:
    assert {before for before, _ in TRANSITIONS} | set(TRANSITIONS.values()) == PHASES
    assert {*ACTIVE, *IDLE, "Baking", "RollingBack"} == PHASES


@pytest.mark.parametrize("phase", ACTIVE)
def test_every_active_phase_can_be_aborted(phase: str) -> None:
    assert following(phase, "Aborted") == "RollingBack"


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_from_every_phase_there_is_a_way_to_rest(phase: str) -> None:
    reached, fresh = {phase}, {phase}
    while fresh:
        fresh = {to for (at, _), to in TRANSITIONS.items() if at in fresh} - reached
        reached |= fresh
    assert "Healthy" in reached


def test_taking_back_ends_in_rest_unless_a_person_forces_it_forward() -> None:
    ends = {(reason, to) for (at, reason), to in TRANSITIONS.items() if at == "RollingBack"}
    assert {to for reason, to in ends if reason != "PromotedByCommand"} <= set(IDLE)


def test_only_a_promotion_or_the_first_deploy_makes_something_healthy_anew() -> None:
    ways = {reason for (_, reason), to in TRANSITIONS.items() if to == "Healthy"}
    assert ways == {
        "InitialDeploy", "Promoted", "TakenBack", "Recovered", "Baked", "BakingEnded",
    }  # fmt: skip


def test_a_change_outside_the_table_raises() -> None:
    with pytest.raises(ValueError, match="no transition from Healthy by Promoted"):
        following("Healthy", "Promoted")


@pytest.mark.parametrize(
    ("weight", "stable", "pods"), [(1, 4, 1), (25, 4, 1), (26, 4, 2), (50, 20, 10), (100, 3, 3)]
)
def test_a_weight_takes_its_share_of_stables_pods(weight: int, stable: int, pods: int) -> None:
    assert needed(weight, stable) == pods


def test_what_is_needed_for_a_weight_carries_it() -> None:
    for stable in range(1, 30):
        for weight in range(1, 101):
            assert carried(needed(weight, stable), stable) >= weight
            assert carried(0, stable) == 0
