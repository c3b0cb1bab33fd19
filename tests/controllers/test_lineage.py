"""What is kept of revisions by the real controllers, and refused for want of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct, revision_of, traffic
from tests.controllers.site import NAME, NAMESPACE, Site, condition

from tidegate.api.origin import Dataset, Measured, Origin
from tidegate.kube.resources import CONFIGMAPS, CONTROLLERREVISIONS
from tidegate.specs.lineage import by_revision, lineage_name
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import Mapping

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"


def origin(version: str = "1", **more: Any) -> Origin:
    given: dict[str, Any] = {
        "registry": "mlflow", "name": "flights", "version": version, "author": "ann",
        "run": f"run-{version}", "git_commit": "c0ffee",
        "datasets": [Dataset(name="flights", digest="d1", context="training")],
        "metrics": [Measured(metric="roc_auc", value=0.7, dataset="flights", digest="d1")],
    }  # fmt: skip
    return Origin(**{**given, **more})


async def kept(site: Site) -> dict[str, dict[str, Mapping[str, Any]]]:
    found = await site.kube.user.get(CONFIGMAPS, lineage_name(NAME), namespace=NAMESPACE)
    return by_revision(found)


async def serve(site: Site, uri: str, **spec: Any) -> str:
    await site.kube.put(direct(uri, **spec))
    await site.harness.settle()
    await site.pass_time(seconds=5)
    return str((await site.model())["status"]["delivery"]["stable"])


async def test_where_stable_comes_from_stands_in_status_and_all_of_it_is_kept(site: Site) -> None:
    site.shelf.origins = {V1: origin()}
    gate = {"name": "auc", "metric": "roc_auc", "min": 0.6}
    stable = await serve(site, V1, gates=[gate])
    assert (await site.model())["status"]["lineage"] == {
        "revision": stable, "registry": "mlflow", "version": "1", "run": "run-1",
        "gitCommit": "c0ffee", "author": "ann", "datasets": ["d1"],
    }  # fmt: skip
    parts = (await kept(site))[stable]
    assert parts["made"]["artifact"]["location"] == V1
    assert parts["origin"]["run"] == "run-1"
    assert parts["gates"]["results"][0]["result"] == "Passed"
    assert "until" not in parts["served"]


async def test_it_outlives_the_revision_and_says_how_long_it_served(site: Site) -> None:
    site.shelf.origins = {uri: origin(str(n)) for n, uri in enumerate((V1, V2, V3), start=1)}
    for uri in (V1, V2, V3):
        await serve(site, uri, revisionHistoryLimit=0)
        await site.pass_time(minutes=2)
    left = (await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
    assert [one["metadata"]["name"] for one in left] == [revision_of(V3)]
    parts = await kept(site)
    assert parts[revision_of(V1)]["origin"]["run"] == "run-1"
    assert parts[revision_of(V1)]["served"]["until"] > parts[revision_of(V1)]["served"]["from"]


async def test_the_words_of_gates_stay_in_full_when_status_has_fewer(site: Site) -> None:
    long = Measured(metric="roc_auc", value=0.7, dataset="f" * 80, digest="d1")
    site.shelf.origins = {uri: origin(str(n), metrics=[long]) for n, uri in enumerate((V1, V2), 1)}
    gate = {"name": "auc", "metric": "roc_auc", "min": 0.6, "dataset": "d1"}
    await serve(site, V1, gates=[gate])
    before = (await kept(site))[revision_of(V1)]["gates"]
    await serve(site, V2, gates=[gate])
    await site.pass_time(minutes=2)
    entries = (await site.model())["status"]["revisions"]
    retired = next(one for one in entries if one["name"] == revision_of(V1))
    assert not retired.get("gates"), "status keeps the results of what is live or asked for"
    assert len(before["results"][0]["message"]) > 60
    assert (await kept(site))[revision_of(V1)]["gates"] == before


async def test_what_was_taken_back_says_why(site: Site) -> None:
    await site.start(rollbackWindow={"duration": "30s"}, keepFailed="10s")
    candidate = await site.ask_for(V2)
    site.metrics.behave(site.cluster(candidate), error_rate=0.3)
    await site.until("Degraded")
    await site.pass_time(seconds=5)
    rejected = (await kept(site))[candidate]["rejected"]
    assert rejected["reason"] in ("EvidenceRollsBack", "GuardBroken")


@pytest.mark.parametrize(
    ("known", "words"),
    [(None, "no registry knows"), (origin(git_commit=None), "does not know its gitCommit")],
)
async def test_what_is_required_and_not_known_is_refused_and_stable_serves_on(
    site: Site, known: Origin | None, words: str
) -> None:
    site.shelf.origins = {V1: origin()}
    required = {"require": ["run", "gitCommit", "dataset", "author"]}
    stable = await serve(site, V1, lineage=required)
    assert stable == revision_of(V1)
    if known is not None:
        site.shelf.origins[V2] = known
    await serve(site, V2, lineage=required)
    ready = condition(await site.model(), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "LineageMissing")
    assert words in ready["message"]
    assert await traffic(site) == {stable: 100}
    assert set(await site.deployments()) == {stable}


async def test_a_configmap_that_cannot_be_written_stops_no_delivery_and_drops_no_revision(
    site: Site,
) -> None:
    site.kube.transport.fail(status=403, path=f"/configmaps/{lineage_name(NAME)}", times=1000)
    site.kube.transport.fail(status=403, path="/configmaps", method="POST", times=1000)
    for uri in (V1, V2):
        assert await serve(site, uri, revisionHistoryLimit=0) == revision_of(uri)
    left = (await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
    assert len(left) == 2
    site.kube.transport.heal()
    await serve(site, V3, revisionHistoryLimit=0)
    await site.pass_time(minutes=2)
    assert set(await kept(site)) == {revision_of(V1), revision_of(V2), revision_of(V3)}
    left = (await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
    assert [one["metadata"]["name"] for one in left] == [revision_of(V3)]


async def test_a_crash_between_its_writes_loses_nothing(site: Site) -> None:
    for number in range(1, 40):
        site.kube.transport.kill_after(number)
        uri = f"https://models/{number}"
        site.shelf.origins[uri] = origin(str(number))
        try:
            await serve(site, uri)
            break
        except Killed:
            site.harness.restart()
            await site.harness.settle()
            await site.pass_time(seconds=5)
        assert (await kept(site))[revision_of(uri)]["origin"]["run"] == f"run-{number}"
    assert number > 5


async def test_at_rest_nothing_is_written(site: Site) -> None:
    await serve(site, V1)
    before = len(site.kube.transport.writes)
    site.harness.restart()
    site.harness.wake_all()
    await site.pass_time(minutes=10)
    assert len(site.kube.transport.writes) == before
