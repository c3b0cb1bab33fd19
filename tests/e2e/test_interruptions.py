"""Prometheus and the operator die in the middle of a canary: it waits, and goes on.

They are shared by everybody on the stage, so these tests are played alone.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.e2e.objects import condition, model, rollout
from tests.e2e.stage import E2E, Stage, eventually

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


async def test_a_canary_holds_while_prometheus_is_gone_and_then_goes_on(stage: Stage) -> None:
    where = "unmeasured"
    old = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, *STEPS)
    )
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        prometheus = stage.process("prometheus")
        # Stopped, for a dead one would be back at once; killed at the end, so that it comes back
        # as a new process that has lost what it had not written.
        prometheus.send_signal(signal.SIGSTOP)
        try:
            held = await stage.until_phase("Holding", where)
            ready = condition(held, "Ready")
            assert ready["reason"] == "MetricsUnavailable"
            assert "Prometheus" in ready["message"]
            weights = await stage.envoy_weights(where)
            assert set(weights) == {old, new}
            answered = load.served(old) + load.served(new)

            async def intervals_pass() -> bool:
                return load.served(old) + load.served(new) >= answered + 300

            await eventually(intervals_pass, saw=load.story)
            assert (await stage.rollout(where))["status"]["phase"] == "Holding"
            assert await stage.envoy_weights(where) == weights
        finally:
            prometheus.kill()
        await promoted(stage, where, load, old=old, new=new)


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
    pods = await stage.kubectl("get", "pods", "-n", "tidegate-system", "-o", "json")
    assert '"restartCount": 1' in pods
