"""Prometheus and the operator die in the middle of a canary: it waits, and goes on.

They are shared by everybody on the stage, so these tests are played alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.objects import condition, model, rollout
from tests.e2e.stage import E2E, Stage, eventually

from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from tests.e2e.load import Load
    from tests.e2e.objects import Obj

pytestmark = E2E
STEPS = ((20, "4s"), (50, "4s"))


async def promoted(stage: Stage, where: str, load: Load, *, old: str, new: str) -> Obj:
    """The Rollout after its candidate took over, in one attempt and without a failed request."""
    found = await stage.until_phase("Healthy", where)
    await stage.until_envoy_gives_all_to(new, where)
    assert found["status"]["attempts"] == 1
    reasons = [entry["reason"] for entry in found["status"]["history"]]
    assert reasons.count("AttemptStarted") == 1
    assert reasons[0] == "Promoted"
    assert load.untouched(old, new), load.story()
    assert load.untouched(new, old), load.story()
    return found


async def without_prometheus(stage: Stage, where: str, phase: str) -> None:
    """The Rollout says that it waits for Prometheus, and Ready what to look at."""
    found = await stage.until(
        lambda r: r["status"].get("hold", {}).get("reason") == "MetricsUnavailable",
        *(ROLLOUTS, where),
    )
    assert found["status"]["phase"] == phase
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "MetricsUnavailable")
    assert "Prometheus" in ready["message"]


@pytest.mark.scenario("ND-08")
async def test_a_canary_waits_for_prometheus_before_it_begins_and_on_its_way(stage: Stage) -> None:
    where = "unmeasured"
    old = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, *STEPS)
    )
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        # Stopped, because a dead one would be back at once.
        prometheus = stage.process("prometheus")
        prometheus.suspend()
        try:
            await stage.apply(model(where, stage.artifacts["better"].uri))
            await without_prometheus(stage, where, "WarmingUp")
            assert await stage.envoy_weights(where) == {old: 100}
        finally:
            prometheus.resume()
        new = await stage.until_tried(where, load, stable=old)
        prometheus.suspend()
        try:
            await without_prometheus(stage, where, "Holding")
            weights = await stage.envoy_weights(where)
            assert set(weights) == {old, new}
            answered = load.ledger.total

            async def intervals_pass() -> bool:
                return load.ledger.total >= answered + 300

            await eventually(intervals_pass, saw=load.story)
            assert (await stage.rollout(where))["status"]["phase"] == "Holding"
            assert await stage.envoy_weights(where) == weights
        finally:
            # It comes back as a new process, without what it had not written.
            prometheus.kill()
        await promoted(stage, where, load, old=old, new=new)


@pytest.mark.scenario("RS-01")
async def test_a_killed_operator_goes_on_with_the_same_attempt(stage: Stage) -> None:
    where = "orphaned"
    old = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, *STEPS)
    )
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        before = await stage.rollout(where)
        operator = stage.process("tidegate", "operator")
        operator.kill()

        async def gone() -> bool:
            return not operator.is_running()

        await eventually(gone)
        found = await promoted(stage, where, load, old=old, new=new)
    started = before["status"]["attempt"]["startedAt"]
    assert found["status"]["attempt"]["startedAt"] == started
    assert stage.process("tidegate", "operator").pid != operator.pid
