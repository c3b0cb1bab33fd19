"""Whatever happens in whatever order, the invariants of a delivery hold.

`Sim.look` checks them after every decision (see invariants.py); these tests only make things
happen: pods, traffic, outages, commands, changes of spec, jumps of the clock, crashes between
writes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, revision, spec

from tidegate.api.model import Scaling
from tidegate.domain.evidence import Unseen
from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import ArmFacts
from tidegate.domain.rollout.commands import VERBS
from tidegate.domain.rollout.transitions import ACTIVE

REVISIONS = st.sampled_from(["r1", "r2", "r3"])
ARTIFACT = {"uri": "https://models/c.onnx", "sha256": "c" * 64, "format": "onnx"}
SPECS = (
    spec((5, 10), (50, 10)),
    spec((20, 0)),
    spec((5, 10), (50, 10), onFailure="Pause", holds={"deadline": "30s"}),
    spec((5, 10), (50, 10), holds={"deadline": "30s", "then": "Rollback"}),
    spec((10, 5), metrics=[ERRORS], deadline="60s", onInconclusive="Promote"),
    spec((10, 5), metrics=[LATENCY, SLO], deadline="60s", onInconclusive="Pause"),
    spec((10, 5), (100, 5), rollbackWindow={"duration": "0s"}),
    spec((10, 5), (100, 5), rollbackWindow={"duration": "2m"}, keepFailed="5s"),
    spec(
        steps=[
            {"shadow": {"percent": 100}, "duration": "10s"},
            {"weight": 0},
            {"weight": 10, "duration": "5s"},
            {"approval": {}},
            {"weight": 50},
        ],
        supersede="AfterAttempt",
    ),
    spec(strategy={"adaptive": {"errorBudget": 50, "minDuration": "30s", "soak": "10s"}}),
    spec(strategy={"blueGreen": {"preview": {}, "shadow": {}, "duration": "10s"}}),
    spec(strategy={"blueGreen": {"approval": {}}}, holds={"deadline": "30s", "then": "Rollback"}),
    spec(strategy={"shadow": {"percent": 50}}),
    spec((10, 5), metrics=[ERRORS, SLO], baking={"duration": "2m"}),
    spec(
        strategy={
            "abTest": {
                "arms": [
                    {"name": "a", "revision": "stable"},
                    {"name": "b", "revision": "latest"},
                    {"name": "c", "artifact": ARTIFACT},
                ],
                "stickyBy": {"cookie": "arm"},
                "allocation": "TopTwo",
                "goal": "errors",
                "minDuration": "20s",
            }
        },
        deadline="3m",
    ),
    spec(
        strategy={
            "abTest": {
                "arms": [{"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}],
                "goal": "slo",
                "minDuration": "20s",
            }
        },
        deadline="90s",
        onInconclusive="Promote",
        onFailure="Pause",
    ),
    spec(strategy={"aa": {"trials": 3, "duration": "15s", "weight": 20}}),
)
TEST, TRIALS = len(SPECS) - 3, len(SPECS) - 1
ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("ask"), REVISIONS),
    st.tuples(st.just("ready"), REVISIONS, st.sampled_from([0, 1, 2, None])),
    st.tuples(st.just("fail"), REVISIONS, st.booleans()),
    st.tuples(st.just("heal"), REVISIONS),
    st.tuples(st.just("errors"), REVISIONS, st.sampled_from([0.0, 0.02, 0.5])),
    st.tuples(st.just("outage"), st.booleans()),
    st.tuples(st.just("rate"), st.sampled_from([0.0, 5.0, 400.0])),
    st.tuples(st.just("gateway"), st.booleans()),
    st.tuples(st.just("say"), st.sampled_from(VERBS), st.booleans()),
    st.tuples(st.just("spec"), st.sampled_from(range(len(SPECS)))),
    st.tuples(st.just("paused"), st.booleans()),
    st.tuples(st.just("clock"), st.sampled_from([-90, -5, 120, 3600])),
    st.tuples(st.just("crash"), st.integers(0, 2)),
    st.tuples(st.just("scale"), st.integers(1, 6)),
    st.tuples(st.just("arm"), st.sampled_from(["r4", "r2", None])),
    st.tuples(st.just("strays"), st.sampled_from([1.0, 3.0])),
)


def made(sim: Sim, name: str) -> tuple[ArmFacts, ...]:
    """The revisions that a strategy may ask for: an arm's artifact, and the twin of stable."""
    stable = sim.delivery.stable or "r1"
    return (
        ArmFacts("c", "c" * 64, revision(name)),
        ArmFacts("twin", stable, revision(f"t-{stable}")),
    )


def happen(sim: Sim, action: tuple[Any, ...]) -> None:
    """One thing that can happen."""
    match action:
        case ("wait", seconds):
            sim.run(seconds)
        case ("ask", name):
            sim.ask(name)
        case ("ready", name, None):
            sim.ready.pop(name, None)
        case ("ready", name, count):
            sim.ready[name] = count
        case ("fail", name, final):
            sim.ready[name] = 0
            sim.failures[name] = PodFailure("CrashLoop", "it ended", final=final)
        case ("heal", name):
            sim.ready.pop(name, None)
            sim.failures.pop(name, None)
        case ("errors", name, rate):
            sim.behave(name, error_rate=rate)
        case ("outage", True):
            sim.outage = Unseen("MetricsUnavailable", "connection refused")
        case ("outage", False):
            sim.outage = None
        case ("rate", rate):
            sim.rate = rate
        case ("gateway", follows):
            sim.follows = follows
        case ("say", verb, force):
            sim.say(verb, force=force)
        case ("spec", index):
            sim.spec = SPECS[index].model_copy(update={"paused": sim.spec.paused})
            sim.generation += 1
        case ("paused", paused):
            sim.spec = sim.spec.model_copy(update={"paused": paused})
        case ("clock", seconds):
            sim.now += timedelta(seconds=seconds)
        case ("crash", written):
            sim.look(written=written)
        case ("arm", None):
            sim.arms = ()
        case ("arm", name):
            sim.arms = made(sim, name)
        case ("strays", factor):
            sim.strays["r2"] = factor
        case ("scale", size):
            sim.scaling = Scaling(min_replicas=size, max_replicas=size)
        case _:
            raise AssertionError(action)


def come_to_rest(sim: Sim) -> None:
    """Look until a look changes nothing more: it must come to that."""
    for _ in range(60):
        before = (sim.status, sim.delivery, sim.sizes, sim.route)
        sim.look()
        if (sim.status, sim.delivery, sim.sizes, sim.route) == before:
            return
    raise AssertionError(f"it never rests: {sim.status.history[:4]}")


MANY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@MANY
@given(st.sampled_from(range(len(SPECS))), st.lists(ACTIONS, min_size=3, max_size=25))
def test_the_invariants_hold_whatever_happens(first: int, actions: list[tuple[Any, ...]]) -> None:
    sim = Sim(SPECS[first], users=20.0)
    sim.arms = made(sim, "r4")
    sim.settle()
    for action in actions:
        happen(sim, action)
        come_to_rest(sim)


@MANY
@given(st.lists(ACTIONS, max_size=15))
def test_from_wherever_it_is_a_healthy_world_leads_to_an_end(
    actions: list[tuple[Any, ...]],
) -> None:
    sim = Sim(SPECS[0])
    sim.settle()
    for action in actions:
        happen(sim, action)
    sim.ready, sim.failures, sim.traffic, sim.outage = {}, {}, {}, None
    sim.follows, sim.rate = True, 400.0
    sim.scaling = Scaling(min_replicas=2, max_replicas=2)
    sim.spec = SPECS[0]
    sim.run(5)
    if sim.phase == "Paused":
        sim.say("resume")
    sim.ask("r9")
    for _ in range(300):
        if sim.delivery.stable == "r9" and sim.phase == "Healthy":
            break
        sim.run(1)
    assert (sim.delivery.stable, sim.phase) == ("r9", "Healthy")
    assert sim.weights_seen[-1] == {"r9": 100}


@MANY
@given(st.sampled_from([TEST, TRIALS]), st.lists(ACTIONS, min_size=2, max_size=15))
def test_the_invariants_hold_in_tests_and_trials_whatever_happens(
    index: int, actions: list[tuple[Any, ...]]
) -> None:
    sim = Sim(SPECS[index], users=20.0)
    sim.arms = made(sim, "r4")
    sim.settle()
    sim.ask("r2" if index == TEST else "r1")
    sim.run(25)
    for action in actions:
        happen(sim, action)
        come_to_rest(sim)
    stable = sim.delivery.stable
    under_way = sim.phase in ACTIVE
    sim.say("abort")
    sim.ready, sim.failures, sim.follows = {}, {}, True
    sim.latest = None
    sim.run(90)
    assert sim.delivery.stable == stable
    if under_way:
        assert sim.weights_seen[-1] == {stable: 100}
        assert sim.delivery.contenders == []


@MANY
@given(st.lists(ACTIONS, max_size=15), st.integers(0, 2))
def test_abort_always_leads_back_to_stable(actions: list[tuple[Any, ...]], written: int) -> None:
    sim = Sim(SPECS[0])
    sim.settle()
    for action in actions:
        happen(sim, action)
    stable = sim.delivery.stable
    under_way = sim.phase not in ("Pending", "Healthy", "Degraded", "RollingBack")
    sim.say("abort")
    sim.look(written=written)
    sim.ready, sim.failures, sim.follows = {}, {}, True
    sim.latest = None
    sim.run(10)
    assert sim.delivery.stable == stable
    if under_way:
        assert sim.phase == "Degraded"
        assert sim.weights_seen[-1] == {stable: 100}
