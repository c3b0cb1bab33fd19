"""Operators that die at their writes bring a promotion, a rollback and a supersede to the end that
they have when nobody dies.

Each dies before a write and the next one after the same write. TIDEGATE_CRASH_WRITES=all kills at
every write of the three; otherwise it is the first of each kind and some of the others. The
operator is shared by everybody on the stage, so this is played alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from tests.e2e.objects import model, rollout
from tests.e2e.reaper import Reaper, Succession, reaping
from tests.e2e.stage import E2E, Stage, eventually
from tests.e2e.witness import Witness, whole_records

from tidegate.errors import NotFound
from tidegate.kube.resources import CONFIGMAPS, LEASES, ROLLOUTS
from tidegate.local.cluster.install import NAMESPACE, OPERATOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.e2e.objects import Obj

pytestmark = [mark for mark in E2E if mark.name != "timeout"]

GOOD, BAD, OVERTAKEN = "dying-good", "dying-bad", "dying-overtaken"
STEPS = {GOOD: ((20, "3s"), (50, "3s")), BAD: ((20, "1m"),), OVERTAKEN: ((20, "20s"),)}
PHASES = {GOOD: "Healthy", BAD: "Degraded", OVERTAKEN: "Healthy"}
ATTEMPTS = {GOOD: 1, BAD: 1, OVERTAKEN: 2}
EVERY = os.environ.get("TIDEGATE_CRASH_WRITES") == "all"
SEED, OF_EACH_KIND, ONE_IN = 3, 1, 10
WITHIN_S = 1500.0 if EVERY else 400.0
MATTER = {
    "PATCH httproutes", "PATCH models status", "PATCH rollouts status", "PATCH deployments scale",
    "POST controllerrevisions", "POST deployments",
}  # fmt: skip


def documents(where: str, uri: str) -> list[Obj]:
    """The Model of a story, and its Rollout, which looks seldom: each look is a write."""
    declared = rollout(where, *STEPS[where])
    declared["spec"]["analysis"]["interval"] = "5s"
    declared["spec"] |= {"rollbackWindow": {"duration": "3s"}, "keepFailed": "3s"}
    return [asked(where, uri), declared]


def asked(where: str, uri: str) -> Obj:
    """The Model of a story; one has two pods, so that a candidate is scaled."""
    found = model(where, uri)
    if where == GOOD:
        found["spec"]["scaling"] = {"minReplicas": 2, "maxReplicas": 2}
    return found


def choice() -> Callable[[str], bool]:
    """Which writes kill: all, or the first of each kind and some others, always the same share."""
    met: Counter[str] = Counter()
    rng = random.Random(SEED)

    def chosen(kind: str) -> bool:
        met[kind] += 1
        return EVERY or met[kind] <= OF_EACH_KIND or rng.randrange(ONE_IN) == 0

    return chosen


@asynccontextmanager
async def reaped(stage: Stage) -> AsyncIterator[Reaper]:
    """Operators between which and the API server stands the reaper; the cluster's own is away."""
    await scaled(stage, 0)
    token = await stage.kubectl("create", "token", OPERATOR, "-n", NAMESPACE, "--duration=1h")
    settings = (await stage.client.get(CONFIGMAPS, OPERATOR, namespace=NAMESPACE))["data"]

    async def between() -> None:
        with suppress(NotFound):  # the next one need not wait until the lease has run out
            await stage.client.delete(LEASES, OPERATOR, namespace=NAMESPACE)

    try:
        async with reaping(stage.state.kubeconfig, token=token.strip(), chosen=choice()) as reaper:
            reaper.rests = True
            file = stage.state.path / "reaped.kubeconfig"
            file.write_text(kubeconfig(reaper.url))
            environment = {**settings, "KUBECONFIG": str(file), "TIDEGATE_HTTP_PORT": "0"}
            running = Succession(reaper, between).run(environment, stage.state.logs / "reaped.log")
            task = asyncio.create_task(running)
            try:
                yield reaper
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    finally:
        await scaled(stage, 1)


def kubeconfig(url: str) -> str:
    """A kubeconfig of a server that asks nobody who he is."""
    context = {"cluster": "reaped"}
    return json.dumps(
        {
            "clusters": [{"name": "reaped", "cluster": {"server": url}}],
            "contexts": [{"name": "reaped", "context": context}],
            "current-context": "reaped",
        }
    )


async def scaled(stage: Stage, count: int) -> None:
    """Wait until the cluster runs so many operators of its own."""
    await stage.kubectl("scale", "deployment", OPERATOR, "-n", NAMESPACE, f"--replicas={count}")

    async def so_many() -> bool:
        return len(stage.processes("tidegate", "operator")) == count

    await eventually(so_many)


async def is_over(stage: Stage, where: str) -> str:
    """Wait for the end of a story; what is stable then."""

    def over(found: Obj) -> bool:
        status = found["status"]
        ended = status["phase"] == PHASES[where] and "attempt" in status
        return bool(ended and status["attempts"] == ATTEMPTS[where])

    await stage.until(over, ROLLOUTS, where, within=WITHIN_S)
    return str((await stage.model(where))["status"]["delivery"]["stable"])


@pytest.mark.scenario("RS-01", "RS-04", "SU-02")
@pytest.mark.timeout(2 * WITHIN_S)
async def test_operators_killed_before_and_after_their_writes_come_to_the_same_ends(
    stage: Stage,
) -> None:
    good, better, best, broken = (
        stage.artifacts[name].uri for name in ("good", "better", "best", "broken")
    )
    witness, stories = Witness(stage), (GOOD, BAD, OVERTAKEN)
    async with reaped(stage) as reaper:
        old = [await stage.serve(where, *documents(where, good)) for where in stories]
        reaper.rests = False
        async with (
            stage.load(GOOD, rate=30).flowing() as load,
            stage.load(BAD, rate=30, missing=3).flowing() as failing,
            stage.load(OVERTAKEN, rate=30).flowing() as overtaken,
            witness.watching(*stories),
        ):
            await stage.apply(asked(GOOD, better), asked(BAD, broken), asked(OVERTAKEN, better))
            first = await stage.until(
                lambda found: found["status"]["phase"] == "Progressing",
                *(ROLLOUTS, OVERTAKEN),
                within=WITHIN_S,
            )
            await stage.apply(asked(OVERTAKEN, best))
            new = [await is_over(stage, where) for where in stories]
            reaper.rests = True
            for where, revision in zip(stories, new, strict=True):
                await stage.until_envoy_gives_all_to(revision, where)
        middle = str(first["status"]["attempt"]["revision"])
        assert (new[0] != old[0], new[1] == old[1], new[2] in (old[2], middle)) == (
            True, True, False,
        )  # fmt: skip
        taken_back = (await stage.model(BAD))["status"]["delivery"]["rejected"][0]["revision"]
        assert load.untouched(old[0], new[0]), load.story()
        assert failing.untouched(old[1], taken_back), failing.story()
        assert overtaken.untouched(old[2], middle, new[2]), overtaken.story()
        for where in stories:
            await whole_records(stage, where, attempts=ATTEMPTS[where])
    sys.stdout.write(
        f"killed before {reaper.before.total()} writes and after {reaper.after.total()}\n"
    )
    assert set(reaper.before) >= MATTER
    assert set(reaper.after) >= MATTER
