"""What a canary depends on breaks in the middle: it waits, blames nobody, and goes on.

Prometheus and Envoy are shared by everybody on the stage, so these tests are played alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.objects import condition, model, rollout
from tests.e2e.prometheus import FAULTS
from tests.e2e.stage import E2E, Stage, eventually, shown

from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from tests.e2e.load import Load
    from tests.e2e.objects import Obj

pytestmark = E2E
REASONS = {
    "refused": "MetricsUnavailable",
    "500": "MetricsUnavailable",
    "slow": "MetricsUnavailable",
    "NaN": "NoData",
    "empty": "NoData",
}


def held(found: Obj) -> str:
    """Why a Rollout holds."""
    return str(found["status"].get("hold", {}).get("reason", ""))


async def fresh_evidence(stage: Stage, where: str) -> None:
    """Wait until another batch has been counted."""
    before = (await stage.rollout(where))["status"]["evidence"][0]["candidate"]["n"]

    def counted(found: Obj) -> bool:
        (entry, *_) = found["status"].get("evidence") or [{"candidate": {"n": 0}}]
        return not held(found) and entry["candidate"]["n"] > before

    await stage.until(counted, ROLLOUTS, where)


async def ends_promoted(stage: Stage, where: str, *, new: str) -> Obj:
    """The Rollout after all: in its first attempt, and nothing was ever rejected."""
    found = await stage.until_phase("Healthy", where)
    await stage.until_envoy_gives_all_to(new, where)
    assert found["status"]["attempts"] == 1
    assert found["status"]["history"][0]["reason"] == "Promoted"
    assert not (await stage.model(where))["status"]["delivery"].get("rejected")
    return found


@pytest.mark.scenario("ND-01", "ND-06", "ND-08")
async def test_whatever_prometheus_answers_the_weight_stays_and_the_evidence_goes_on(
    stage: Stage,
) -> None:
    where = "faulty"
    declared = rollout(where, (20, "5s"), (50, "5s"))
    old = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=60).flowing() as load:
        declared["spec"]["strategy"]["canary"]["steps"][0]["duration"] = "25s"
        await stage.apply(declared, model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        for fault in FAULTS:
            await fresh_evidence(stage, where)
            with stage.prometheus.broken(fault):
                found = await stage.until(lambda r: bool(held(r)), ROLLOUTS, where)
                assert held(found) == REASONS[fault], shown(found["status"])
                assert await stage.envoy_weights(where) == {old: 80, new: 20}
        await fresh_evidence(stage, where)
        await stands_still(stage, where)
        await starts_empty(stage, where)
        await ends_promoted(stage, where, new=new)
    assert load.untouched(old, new), load.story()


async def stands_still(stage: Stage, where: str) -> None:
    """Prometheus answers with what it had and scrapes no more: that is no evidence."""
    stage.prometheus.until = time.time()
    try:
        found = await stage.until(lambda r: held(r) == "NoData", ROLLOUTS, where)
        assert condition(found, "Ready")["reason"] == "NoData"
    finally:
        stage.prometheus.until = float("inf")
    await fresh_evidence(stage, where)


async def starts_empty(stage: Stage, where: str) -> None:
    """Prometheus has forgotten everything of before: the gap is skipped, the evidence kept."""
    before = (await stage.rollout(where))["status"]["evidence"][0]["candidate"]["n"]
    stage.prometheus.since = time.time()
    await fresh_evidence(stage, where)
    stage.prometheus.since = float("-inf")
    found = await stage.rollout(where)
    assert found["status"]["evidence"][0]["candidate"]["n"] > before


async def test_a_gateway_that_starts_anew_and_an_api_server_that_hangs_cost_no_verdict(
    stage: Stage,
) -> None:
    where = "regained"
    declared = rollout(where, (20, "10s"), (50, "5s"))
    old = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=60).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        envoy = stage.process("envoy")
        envoy.kill()
        await answers_again(load, new)
        await fresh_evidence(stage, where)
        # The API server, the gateway's control and the node are one process; pods and Envoy go on.
        supervisor = stage.supervisor()
        supervisor.suspend()
        try:
            await answers_again(load, new)
            await answers_again(load, old)
        finally:
            supervisor.resume()
        found = await ends_promoted(stage, where, new=new)
    reasons = {entry["reason"] for entry in found["status"]["history"]}
    assert not reasons & {"EvidenceRollsBack", "GuardBroken", "Superseded"}
    assert load.failed(old) == load.failed(new) == 0
    assert stage.process("envoy").pid != envoy.pid


async def answers_again(load: Load, revision: str) -> None:
    """Wait until a revision has answered twenty more requests."""
    before = load.served(revision)

    async def more() -> bool:
        return load.served(revision) >= before + 20

    await eventually(more, saw=load.story)
