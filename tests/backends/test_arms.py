"""Which revisions are in the object, who leads, and who is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from tests.backends.rendered import KSERVE, SELDON

from tidegate.api.model import Scaling
from tidegate.api.model_status import DeliveryStatus
from tidegate.api.rollout_status import RolloutStatus
from tidegate.backends.arms import arms_of
from tidegate.backends.base import NOTHING_SEEN, Seen
from tidegate.domain.pods import ArmPods
from tidegate.domain.rollout.facts import Decision, Facts, RouteFacts
from tidegate.domain.route import Routing

if TYPE_CHECKING:
    from tidegate.backends.base import Arm, Backend

A, B, C, D, E = (f"m-0000000{n}" for n in range(1, 6))
READY = ArmPods(exists=True, desired=1, ready=1)
LATER = "2026-01-01T00:00:00Z"


def arms(
    delivery: dict[str, Any],
    weights: dict[str, int] | None,
    *,
    backend: Backend = KSERVE,
    phase: Any = "Progressing",
    ready: tuple[str, ...] = (A, B, C, D, E),
    frozen: tuple[str, ...] = (A, B, C, D, E),
    seen: Seen = NOTHING_SEEN,
    floors: dict[str, int] | None = None,
) -> tuple[Arm, ...] | None:
    status = DeliveryStatus.model_validate(delivery)
    decision = Decision(
        delivery=status,
        rollout=RolloutStatus(phase=phase),
        routing=Routing(weights) if weights is not None else None,
        floors=floors or {},
        model_said=(),
    )
    facts = Facts(
        model="m",
        model_generation=1,
        scaling=Scaling(),
        delivery=status,
        pods=dict.fromkeys(ready, READY),
    )
    return arms_of(
        decision, facts, seen, frozen={name: {} for name in frozen}, backend=backend
    )  # fmt: skip


def weighed(found: tuple[Arm, ...] | None) -> list[tuple[str, int]]:
    assert found is not None
    return [(arm.revision, arm.weight) for arm in found]


def draining(*names: str) -> list[dict[str, str]]:
    return [{"revision": name, "until": LATER} for name in names]


def test_stable_leads_and_the_candidate_is_there_before_it_has_traffic() -> None:
    found = arms({"stable": A, "candidate": B}, {A: 100})
    assert weighed(found) == [(A, 100), (B, 0)]


def test_whoever_has_all_the_traffic_leads() -> None:
    found = arms({"stable": A, "candidate": B}, {A: 0, B: 100})
    assert weighed(found) == [(B, 100), (A, 0)]


def test_the_first_revision_gets_everything_before_anything_is_stable() -> None:
    assert weighed(arms({"candidate": A}, None)) == [(A, 100)]
    assert weighed(arms({"candidate": B, "draining": draining(A)}, None)) == [(B, 100)]


def test_a_first_revision_that_failed_stays_until_it_is_let_go() -> None:
    assert weighed(arms({"draining": draining(A)}, None)) == [(A, 100)]
    assert arms({}, None) == ()


def test_weights_stay_where_nothing_is_decided() -> None:
    seen = Seen(RouteFacts({A: 60, B: 40}))
    assert weighed(arms({"stable": A, "candidate": B}, None, seen=seen)) == [(A, 60), (B, 40)]
    gone = Seen(RouteFacts({A: 60, C: 40}))
    assert weighed(arms({"stable": A, "candidate": B}, None, seen=gone)) == [(A, 100), (B, 0)]


def test_the_object_stays_when_somebody_with_traffic_is_not_there() -> None:
    assert arms({"stable": A, "candidate": B}, {A: 90, B: 10}, frozen=(A,)) is None


def test_sizes_are_the_floors_and_else_as_they_are() -> None:
    seen = Seen(sizes={A: 4, B: 3})
    found = arms({"stable": A, "candidate": B}, {A: 100}, seen=seen, floors={A: 5})
    assert found is not None
    assert [arm.replicas for arm in found] == [5, 3]


def test_an_object_that_takes_so_many_keeps_whom_it_needs_most() -> None:
    delivery = {"stable": A, "candidate": B, "previous": C, "draining": draining(D, E)}
    assert weighed(arms(delivery, {A: 95, B: 5})) == [(A, 95), (B, 5), (C, 0), (E, 0)]


def test_seldon_does_not_keep_whom_the_weights_would_wait_for() -> None:
    """One that goes and is not ready is left out; one that comes is waited for."""
    leaving: dict[str, Any] = {"stable": A, "draining": draining(B)}
    coming: dict[str, Any] = {"stable": A, "candidate": B}
    assert weighed(arms(leaving, {A: 100}, backend=SELDON, ready=(A,))) == [(A, 100)]
    assert weighed(arms(leaving, {A: 100}, backend=SELDON)) == [(A, 100), (B, 0)]
    assert weighed(arms(coming, {A: 100}, backend=SELDON, ready=(A,))) == [(A, 100), (B, 0)]
    back = arms(coming, {A: 100}, backend=SELDON, ready=(A,), phase="RollingBack")
    assert weighed(back) == [(A, 100)]
    assert weighed(arms(leaving, {A: 100}, ready=(A,))) == [(A, 100), (B, 0)], "KServe keeps it"


def test_seldon_does_not_keep_a_way_back_that_is_none() -> None:
    window: dict[str, Any] = {"stable": B, "previous": A}
    assert weighed(arms(window, {B: 100}, backend=SELDON, ready=(A, B))) == [(B, 100), (A, 0)]
    assert weighed(arms(window, {B: 100}, backend=SELDON, ready=(B,))) == [(B, 100)]
    forced: dict[str, Any] = {"stable": A, "candidate": B}
    assert weighed(arms(forced, {A: 0, B: 100}, backend=SELDON, ready=(B,))) == [(B, 100)]


NAMES = st.sampled_from([A, B, C, D, E])


@given(
    stable=st.none() | NAMES,
    candidate=st.none() | NAMES,
    previous=st.none() | NAMES,
    drained=st.lists(NAMES, max_size=3),
    weight=st.integers(0, 100),
    ready=st.frozensets(NAMES),
    backend=st.sampled_from([KSERVE, SELDON]),
    phase=st.sampled_from(["Progressing", "RollingBack", "Promoting", "Healthy"]),
)
def test_weights_always_sum_to_100_and_everybody_is_there_once(
    stable: str | None,
    candidate: str | None,
    previous: str | None,
    drained: list[str],
    weight: int,
    ready: frozenset[str],
    backend: Backend,
    phase: str,
) -> None:
    both = stable is not None and candidate is not None and stable != candidate
    weights = {stable: 100 - weight, candidate: weight} if both else {stable: 100}
    named = {"stable": stable, "candidate": candidate, "previous": previous}
    delivery: dict[str, Any] = {k: v for k, v in named.items() if v is not None}
    found = arms(
        {**delivery, "draining": draining(*drained)},
        {k: v for k, v in weights.items() if k is not None},
        backend=backend,
        phase=phase,
        ready=tuple(ready),
    )
    assert found is not None
    assert not found or sum(arm.weight for arm in found) == 100
    assert len({arm.revision for arm in found}) == len(found) <= backend.most_arms
    assert not found or found[0].weight > 0
