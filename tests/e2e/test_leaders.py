"""Operators that die or freeze in the middle of deliveries: the end is the same.

The operator is shared by everybody on the stage, so these tests are played alone.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.e2e.objects import model, rollout
from tests.e2e.stage import E2E, Stage, eventually, shown
from tests.e2e.witness import Witness, whole_records

from tidegate.kube.resources import LEASES, ROLLOUTS
from tidegate.local.cluster.install import NAMESPACE, OPERATOR

if TYPE_CHECKING:
    from tests.e2e.load import Load
    from tests.e2e.objects import Obj

pytestmark = E2E
GOOD, BAD, OVERTAKEN = "killed-good", "killed-bad", "killed-overtaken"


async def kill_operator(stage: Stage) -> None:
    """SIGKILL, and away with its pod: the next one starts without a back-off."""
    for process in stage.processes("tidegate", "operator"):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    await stage.kubectl(
        "delete", "pods", "-n", NAMESPACE, "--all", "--force", "--grace-period=0", "--wait=false"
    )


@pytest.mark.scenario("RS-01", "RS-04", "SU-02")
async def test_an_operator_killed_again_and_again_ends_three_deliveries_as_if_it_lived(
    stage: Stage,
) -> None:
    good, better, broken = (stage.artifacts[n].uri for n in ("good", "better", "broken"))
    old = {}
    for where, steps in (
        (GOOD, ((20, "6s"), (50, "6s"))),
        (BAD, ((20, "1m"), (50, "1m"))),
        (OVERTAKEN, ((50, "10m"),)),
    ):
        old[where] = await stage.serve(where, model(where, good), rollout(where, *steps))
    witness = Witness(stage)
    async with (
        stage.load(GOOD, rate=60).flowing() as load,
        stage.load(BAD, rate=40).flowing() as failing,
        stage.load(OVERTAKEN, rate=40).flowing() as overtaken,
        witness.watching(GOOD, BAD, OVERTAKEN),
    ):
        await stage.apply(model(GOOD, better), model(BAD, broken), model(OVERTAKEN, better))
        await stage.until(lambda r: r["status"].get("attempts") == 1, ROLLOUTS, GOOD)
        await kill_operator(stage)
        new = await stage.until_tried(GOOD, load, stable=old[GOOD])
        bad = await stage.until_tried(BAD, failing, stable=old[BAD], requests=1)
        first = await stage.until_tried(OVERTAKEN, overtaken, stable=old[OVERTAKEN])
        failing.missing = 2
        await stage.apply(model(OVERTAKEN, stage.artifacts["best"].uri))
        await kill_operator(stage)
        await stage.until(lambda r: r["status"].get("attempts") == 2, ROLLOUTS, OVERTAKEN)
        await kill_operator(stage)
        promoted = await stage.until_phase("Healthy", GOOD)
        await stage.until_envoy_gives_all_to(new, GOOD)
        taken_back = await stage.until_phase("Degraded", BAD)
        await stage.until_envoy_gives_all_to(old[BAD], BAD)
        second = await stage.until_tried(OVERTAKEN, overtaken, stable=old[OVERTAKEN])
        assert await stage.envoy_weights(OVERTAKEN) == {old[OVERTAKEN]: 50, second: 50}
    await stage.kubectl("delete", "rollouts.tidegate.dev", "weather", "-n", OVERTAKEN)
    for found, load_, where, other in (
        (promoted, load, GOOD, new),
        (taken_back, failing, BAD, bad),
    ):
        assert found["status"]["attempts"] == 1, shown(found["status"])
        assert load_.untouched(old[where], other), load_.story()
        await whole_records(stage, where, attempts=1)
    assert first != second
    assert overtaken.untouched(old[OVERTAKEN], first, second), overtaken.story()
    for weights in witness.seen[OVERTAKEN]:
        assert not ((first, 50) in weights and second in dict(weights)), weights


async def operators(stage: Stage, count: int) -> list[psutil.Process]:
    """The operator's processes, once there are so many and all stand by or lead."""
    await stage.kubectl("scale", "deployment", OPERATOR, "-n", NAMESPACE, f"--replicas={count}")
    await stage.kubectl(
        "rollout", "status", f"deployment/{OPERATOR}", "-n", NAMESPACE, "--timeout=60s"
    )

    async def so_many() -> bool:
        return len(stage.processes("tidegate", "operator")) == count

    await eventually(so_many)
    return stage.processes("tidegate", "operator")


async def holder(stage: Stage) -> str:
    """Who holds the operator's Lease."""
    lease: Obj = await stage.client.get(LEASES, OPERATOR, namespace=NAMESPACE)
    return str(lease["spec"].get("holderIdentity", ""))


@pytest.mark.scenario("RS-05")
async def test_a_frozen_leader_that_wakes_up_writes_nothing_and_ends(stage: Stage) -> None:
    where = "frozen"
    old = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, (20, "4s"), (50, "10m"))
    )
    frozen = stage.process("tidegate", "operator")
    await operators(stage, 2)
    async with stage.load(where, rate=60).flowing() as load:
        try:
            await stage.apply(model(where, stage.artifacts["better"].uri))
            new = await stage.until_tried(where, load, stable=old)
            leader = await holder(stage)
            frozen.suspend()  # with weight 50 before it

            async def another_leads() -> bool:
                return await holder(stage) not in ("", leader)

            await eventually(another_leads, within=60)
            abort = json.dumps({"id": "1", "verb": "abort", "by": "alice"})
            await stage.kubectl(
                "annotate", "rollouts.tidegate.dev", "weather", "-n", where,
                f"tidegate.dev/command={abort}",
            )  # fmt: skip
            await stage.until_phase("Degraded", where)
            await stage.until_envoy_gives_all_to(old, where)
            before = load.served(new)
            frozen.resume()

            async def ended() -> bool:
                return not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE

            await eventually(ended, within=30)
            await more_answers(load, old)
            assert load.served(new) == before
            assert await stage.envoy_weights(where) == {old: 100}
            found = await stage.rollout(where)
            assert (found["status"]["phase"], found["status"]["attempts"]) == ("Degraded", 1)
        finally:
            with suppress(psutil.NoSuchProcess):
                frozen.resume()
            await operators(stage, 1)
    assert load.untouched(old, new), load.story()


async def more_answers(load: Load, revision: str) -> None:
    """Wait for a hundred more answers of a revision."""
    before = load.served(revision)

    async def more() -> bool:
        return load.served(revision) >= before + 100

    await eventually(more, saw=load.story)
