"""A rollout stays within its fences, always ends, and follows a change of size in proportion."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.local.workloads.deployment import (
    Desired,
    Scale,
    Set,
    Strategy,
    fences,
    may_create,
    needs_scaling,
    next_scales,
    rescale,
)


def wanting(
    replicas: int, *, surge: int = 1, unavailable: int = 0, recreate: bool = False
) -> Desired:
    return Desired(
        replicas, Strategy(recreate=recreate, max_surge=surge, max_unavailable=unavailable)
    )


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (2, "25%", "25%", (1, 0)),
        (3, "25%", "25%", (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (5, 0, 0, (0, 1)),
        (5, "0%", "10%", (0, 1)),
        (5, 2, None, (2, 0)),
        (0, "25%", "25%", (0, 1)),
    ],
)
def test_percentages_round_in_favour_of_the_rollout(
    replicas: int, surge: int | str, unavailable: int | str | None, expected: tuple[int, int]
) -> None:
    assert fences(replicas, max_surge=surge, max_unavailable=unavailable) == expected


def test_a_text_that_is_no_percentage_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a number nor a percentage"):
        fences(3, max_surge="three", max_unavailable=0)


def test_the_new_set_grows_by_the_surge_before_anything_shrinks() -> None:
    old = Set("old", 2, available=2, created="1")
    assert next_scales(wanting(2), new=Set("new", 0, created="2"), olds=[old]) == [Scale("new", 1)]


def test_an_old_pod_goes_once_a_new_one_is_available() -> None:
    old = Set("old", 2, available=2, created="1")
    assert next_scales(wanting(2), new=Set("new", 1, created="2"), olds=[old]) == []
    ready = Set("new", 1, available=1, created="2")
    assert next_scales(wanting(2), new=ready, olds=[old]) == [Scale("old", 1)]


def test_broken_old_pods_go_first_since_they_cost_nothing() -> None:
    broken = Set("broken", 1, available=0, created="2")
    good = Set("good", 2, available=2, created="1")
    new = Set("new", 0, created="3")
    grown = replace(new, replicas=0)
    desired = wanting(2, surge=1)
    # The surge is used up by the broken pod, so it has to go before the new set may grow.
    assert next_scales(desired, new=grown, olds=[good, broken]) == [Scale("broken", 0)]


def test_a_recreate_ends_every_old_pod_before_it_starts_a_new_one() -> None:
    desired = wanting(2, recreate=True, surge=0)
    old = Set("old", 2, available=2, running_pods=2)
    assert not may_create(desired, [old])
    assert next_scales(desired, new=None, olds=[old]) == [Scale("old", 0)]
    ending = Set("old", 0, running_pods=1)
    assert not may_create(desired, [ending])
    assert next_scales(desired, new=None, olds=[ending]) == []
    gone = Set("old", 0)
    assert may_create(desired, [gone])
    assert next_scales(desired, new=Set("new", 0), olds=[gone]) == [Scale("new", 2)]


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Desired, list[Set]]:
    replicas = draw(st.integers(0, 8))
    surge = draw(st.integers(0, 4))
    unavailable = draw(st.integers(0 if surge else 1, 4))
    sizes = draw(st.lists(st.integers(0, 5), max_size=3))
    olds = [
        Set(f"old{i}", size, available=draw(st.integers(0, size)), created=str(i))
        for i, size in enumerate(sizes)
    ]
    return wanting(replicas, surge=surge, unavailable=min(unavailable, max(replicas, 1))), olds


@given(rollouts(), st.randoms(use_true_random=False))
def test_any_rollout_stays_within_its_fences_and_ends(
    given_rollout: tuple[Desired, list[Set]], random: object
) -> None:
    desired, olds = given_rollout
    sets = {old.name: old for old in olds} | {"new": Set("new", 0, created="9")}
    before = sum(found.replicas for found in olds)
    floor = min(
        desired.replicas - desired.strategy.max_unavailable,
        sum(found.available for found in olds),
    )
    for _ in range(200):
        new, rest = sets["new"], [found for name, found in sets.items() if name != "new"]
        scales = next_scales(desired, new=new, olds=rest)
        for scale in scales:
            found = sets[scale.name]
            # Pods that are not available are the first to be removed.
            available = min(found.available, scale.replicas)
            sets[scale.name] = replace(found, replicas=scale.replicas, available=available)
        total = sum(found.replicas for found in sets.values())
        assert total <= max(before, desired.max_replicas)
        assert sum(found.available for found in sets.values()) >= min(floor, total)
        if not scales:
            if sets["new"].available == sets["new"].replicas:
                break
            grown = sets["new"]
            sets["new"] = replace(grown, available=grown.available + 1)
    assert sets["new"].replicas == desired.replicas
    assert all(found.replicas == 0 for name, found in sets.items() if name != "new")


def test_a_change_of_size_is_noticed_by_the_size_that_a_set_was_made_for() -> None:
    assert needs_scaling(wanting(4), [Set("a", 2, desired=2)])
    assert not needs_scaling(wanting(2), [Set("a", 2, desired=2)])
    assert not needs_scaling(wanting(4), [Set("a", 0, desired=2)])
    assert not needs_scaling(wanting(4), [Set("a", 2)])


def test_the_only_running_set_takes_the_new_size() -> None:
    assert rescale(wanting(5), new=Set("new", 2), olds=[Set("old", 0)]) == [Scale("new", 5)]
    assert rescale(wanting(0), new=Set("new", 2), olds=[]) == [Scale("new", 0)]


def test_two_running_sets_share_a_new_size_in_proportion() -> None:
    new = Set("new", 3, created="2", desired=10, max_replicas=13)
    old = Set("old", 9, created="1", desired=10, max_replicas=13)
    scales = rescale(wanting(20, surge=5), new=new, olds=[old])
    assert {scale.name: scale.replicas for scale in scales} == {"new": 6, "old": 19}


def test_leftover_old_sets_go_when_the_new_one_is_complete_already() -> None:
    new = Set("new", 3, available=3, desired=3)
    assert rescale(wanting(3), new=new, olds=[Set("old", 1)]) == [Scale("old", 0)]
