"""Whole deliveries by the backends that keep all revisions in one object."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from tests.controllers.backed import BACKENDS, BackedSite, backed_model, backed_site
from tests.controllers.crashing import Story, prepared
from tests.controllers.dying import Reaper
from tests.controllers.site import NAME, NAMESPACE, condition, rollout

from tidegate.controllers.planning import Planner
from tidegate.errors import NotFound
from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXAMPLES = Path(__file__).parents[2] / "examples"
CANARY = {"canary": {"steps": [{"weight": 10, "duration": "5s"}, {"weight": 50, "duration": "9s"}]}}
CRASHES = "exit code 1"


@pytest.fixture(params=BACKENDS)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[BackedSite]:
    async with backed_site(request.param) as found:
        found.rate = 1000.0
        yield found


async def until_weight(site: BackedSite, revision: str, weight: int) -> None:
    for _ in range(120):
        if (await site.weights()).get(revision, 0) == weight:
            return
        await site.pass_time(seconds=1)
    raise AssertionError(await site.route())


async def test_a_good_version_is_promoted_in_one_object_without_a_restart(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY, rollbackWindow={"duration": "2m"})
    new = await site.ask_for("https://models/v2")
    await site.until("Healthy", minutes=5)
    assert site.steps_of(new) == [0, 10, 50, 100]
    assert await site.route() == {new: 100, old: 0}
    assert await site.deployments() == {new: 2, old: 2}, "the way back is warm"
    await site.pass_time(minutes=3)
    assert await site.route() == {new: 100}
    assert await site.deployments() == {new: 2}
    site.assert_nothing_restarted()
    found = await site.model()
    assert condition(found, "Ready")["status"] == "True"
    assert found["status"]["endpoint"] == (await site.object())["status"].get(
        "url", f"http://{NAME}.{NAMESPACE}.svc:8000"
    )


async def test_a_bad_version_is_taken_back_and_leaves_the_object_later(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY, keepFailed="1m")
    new = await site.ask_for("https://models/v2")
    site.metrics.behave(site.cluster(new), error_rate=0.3)
    await site.until("Degraded", minutes=5)
    assert site.steps_of(new) == [0, 10, 0]
    assert await site.route() == {old: 100, new: 0}
    await site.pass_time(minutes=2)
    assert await site.route() == {old: 100}
    assert await site.deployments() == {old: 2}
    site.assert_nothing_restarted()
    assert condition(await site.model(), "Available")["status"] == "True"


async def test_a_version_that_crashes_under_traffic_loses_it(site: BackedSite) -> None:
    """Seldon Core would not move any weight as long as its pods are not ready."""
    old = await site.start(strategy=CANARY)
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 10)
    site.harness.world.fail(site.deployment(new), message=CRASHES, container="server", init=False)
    await site.until("Degraded", minutes=3)
    assert await site.weights() == {old: 100}
    site.assert_nothing_restarted()


async def test_a_promoted_version_that_crashes_gives_way_to_the_one_before(
    site: BackedSite,
) -> None:
    """KServe would not touch the route as long as its leader is not ready."""
    old = await site.start(strategy=CANARY, baking={"duration": "30m"})
    new = await site.ask_for("https://models/v2")
    await site.until("Baking", minutes=5)
    site.harness.world.fail(site.deployment(new), message=CRASHES, container="server", init=False)
    await site.until("Degraded", minutes=5)
    assert await site.weights() == {old: 100}
    assert (await site.model())["status"]["delivery"]["stable"] == old
    site.assert_nothing_restarted()


async def test_a_version_that_never_starts_is_rejected(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY)
    with site.harness.stale():  # before it can get ready
        await site.kube.put(site.model_of("https://models/v2"))
    new = ""
    for _ in range(3):
        await site.harness.settle()
        new = str((await site.model())["status"]["latestRevision"])
        site.harness.world.fail(site.deployment(new), message=CRASHES)
    await site.pass_time(seconds=5)
    await site.until("Degraded", minutes=3)
    assert await site.weights() == {old: 100}
    assert site.steps_of(new) == [0]


async def test_a_stable_without_pods_does_not_keep_a_person_from_promoting(
    site: BackedSite,
) -> None:
    old = await site.start(strategy=CANARY)
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 10)
    site.harness.world.fail(site.deployment(old), message=CRASHES, container="server", init=False)
    await site.pass_time(seconds=5)
    await site.command("promote", force=True, revision=new)
    await site.until("Healthy", minutes=3)
    assert await site.weights() == {new: 100}
    site.assert_nothing_restarted()


OTHERS: dict[str, Any] = {
    "adaptive": {"errorBudget": 500, "minDuration": "10s", "soak": "5s"},
    "blueGreen": {"duration": "5s"},
}


@pytest.mark.parametrize("strategy", OTHERS)
async def test_other_strategies_that_need_weights_alone_work_too(
    site: BackedSite, strategy: str
) -> None:
    await site.start(strategy={strategy: OTHERS[strategy]}, rollbackWindow={"duration": "20s"})
    new = await site.ask_for("https://models/v2")
    await site.until("Healthy", minutes=10)
    assert await site.weights() == {new: 100}
    middle = site.steps_of(new)[1:-1]
    assert middle == sorted(middle)
    assert bool(middle) == (strategy == "adaptive"), "blueGreen is one switch"
    site.assert_nothing_restarted()


async def test_a_newer_version_takes_the_place_of_one_that_is_tried(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY)
    for number in range(2, 6):
        new = await site.ask_for(f"https://models/v{number}")
        await until_weight(site, new, 10)
        assert await site.weights() == {old: 90, new: 10}
    await site.until("Healthy", minutes=5)
    assert await site.weights() == {new: 100}
    site.assert_nothing_restarted()


async def test_direct_switches_when_ready(site: BackedSite) -> None:
    await site.kube.put(backed_model(site.backend, delivery="Direct"))
    await site.harness.settle()
    old = str((await site.model())["status"]["delivery"]["stable"])
    assert await site.route() == {old: 100}
    await site.kube.put(backed_model(site.backend, "https://models/v2", delivery="Direct"))
    await site.harness.settle()
    await site.pass_time(seconds=60)
    new = str((await site.model())["status"]["latestRevision"])
    assert await site.route() == {new: 100}
    assert await site.deployments() == {new: 2}
    site.assert_nothing_restarted()


async def test_the_object_goes_with_the_model(site: BackedSite) -> None:
    await site.start(strategy=CANARY)
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    with pytest.raises(NotFound):
        await site.object()
    assert await site.deployments() == {}


async def test_what_somebody_changes_by_hand_is_put_back(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY)
    obj = await site.object()
    wanted = obj["spec"]
    if site.backend == "KServe":
        await site.kube.edit(obj, predictor={"minReplicas": 7})
    else:
        predictors = [{**one, "replicas": 7} for one in obj["spec"]["predictors"]]
        await site.kube.edit(obj, predictors=predictors)
    await site.harness.settle()
    assert (await site.object())["spec"] == wanted
    assert await site.deployments() == {old: 2}


async def test_a_quiet_operator_writes_nothing(site: BackedSite) -> None:
    await site.start(strategy=CANARY)
    written = len(site.kube.transport.writes)
    site.harness.wake_all()
    await site.pass_time(minutes=2)
    assert len(site.kube.transport.writes) == written


async def test_a_plan_knows_what_the_backend_runs(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY)
    planner = Planner(
        site.kube.user, site.harness.settings, site.metrics, namespace=NAMESPACE
    )  # fmt: skip
    await planner.read()
    planned = await planner.plan(NAME)
    assert not planned.changes
    assert planned.gathered.facts.route.weights == {old: 100}
    assert planned.gathered.facts.arm(old).ready == 2


async def test_status_lost_is_read_back_from_the_object(site: BackedSite) -> None:
    old = await site.start(strategy=CANARY)
    await site.kube.set_status(await site.model(), {"delivery": None})
    await site.harness.settle()
    assert (await site.model())["status"]["delivery"]["stable"] == old
    assert await site.route() == {old: 100}


async def test_its_example_is_taken_strictly_and_delivered(site: BackedSite) -> None:
    (path,) = EXAMPLES.glob(f"[0-9]*-{site.backend.lower()}.yaml")
    example = YAML(typ="safe").load(path)
    example["metadata"]["namespace"] = NAMESPACE
    site.shelf.place = str
    await site.kube.user.apply(MODELS, example, manager="user", strict=True)
    await site.kube.put(rollout(strategy=CANARY))
    await site.harness.settle()
    await site.until("Healthy", minutes=1)
    assert condition(await site.model(), "Ready")["status"] == "True"
    assert example["spec"]["artifact"]["uri"] in str((await site.object())["spec"])


# -- the operator dies -----------------------------------------------------------------------------

ENDS = {"Healthy": Story({"strategy": CANARY}), "Degraded": Story({"strategy": CANARY}, 0.2)}


@pytest.mark.scenario("RS-01")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("phase", ENDS)
async def test_operators_that_live_for_one_write_each_come_to_the_same_end(
    backend: str, phase: str
) -> None:
    sites: Any = partial(backed_site, backend)
    async with prepared(ENDS[phase], sites=sites) as run:
        undisturbed = await run.deliver()
    assert undisturbed.phase == phase
    async with prepared(ENDS[phase], sites=sites) as run:
        reaper = run.site.kube.transport.onlooker = Reaper(run)
        assert await run.deliver() == undisturbed
    plural = "seldondeployments" if backend == "SeldonDeployment" else "inferenceservices"
    assert reaper.before_writes[f"PATCH {plural}"] >= 4
    assert reaper.after_writes[f"PATCH {plural}"] >= 4
