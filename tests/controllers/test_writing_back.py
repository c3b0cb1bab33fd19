"""The registry is told what became of a version: once, after crashes too, and not in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct, traffic
from tests.controllers.site import NAMESPACE, Site, condition, model, rollout

from tidegate.api.origin import Origin
from tidegate.kube.resources import EVENTS
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from tidegate.testing.registrar import FakeRegistrar

V1, V2 = "models:/fraud/1", "models:/fraud/2"
WRITE_BACK = {"onPromoted": {"alias": "champion"}, "onRejected": {"tag": "tidegate.rejected"}}


def written_back(document: dict[str, Any]) -> dict[str, Any]:
    document["spec"]["artifact"]["writeBack"] = WRITE_BACK
    return document


@pytest.fixture
async def registrar(site: Site) -> FakeRegistrar:
    return site.registrar


@pytest.fixture(autouse=True)
def origins(site: Site) -> None:
    for number, uri in enumerate((V1, V2), 1):
        site.shelf.origins[uri] = Origin(registry="mlflow", name="fraud", version=str(number))


async def settle(site: Site, document: dict[str, Any]) -> dict[str, Any]:
    await site.kube.put(document)
    await site.harness.settle()
    await site.pass_time(seconds=5)
    return await site.model()


async def test_champion_is_what_serves_also_without_a_rollout(
    site: Site, registrar: FakeRegistrar
) -> None:
    found = await settle(site, written_back(direct(V1)))
    assert registrar.aliases == {("fraud", "champion"): "1"}
    said = condition(found, "WrittenBack")
    assert (said["status"], said["reason"]) == ("True", "Written")
    assert found["status"]["writeBack"]["promoted"]["version"] == "1"
    found = await settle(site, written_back(direct(V2)))
    assert registrar.aliases == {("fraud", "champion"): "2"}
    told = registrar.told
    await site.pass_time(minutes=5)
    assert registrar.told == told == 2
    notes = [event["note"] for event in (await site.kube.user.list(EVENTS)).items]
    assert "alias champion is version 2 of fraud" in notes


async def test_a_version_that_is_taken_back_is_tagged_and_champion_stays(
    site: Site, registrar: FakeRegistrar
) -> None:
    await site.kube.put(written_back(model(V1)))
    await site.kube.put(rollout())
    await site.until("Healthy")
    await site.kube.put(written_back(model(V2)))
    await site.pass_time(seconds=5)
    bad = (await site.model())["status"]["latestRevision"]
    site.metrics.behave(site.cluster(bad), error_rate=0.4)
    await site.until("Degraded")
    await site.pass_time(seconds=5)
    assert registrar.aliases == {("fraud", "champion"): "1"}
    assert registrar.tags["fraud", "2", "tidegate.rejected"].startswith("GuardBroken: slo: ")


async def test_a_registry_that_is_down_holds_up_nothing_and_is_asked_less_and_less(
    site: Site, registrar: FakeRegistrar
) -> None:
    registrar.down = True
    found = await settle(site, written_back(direct(V1)))
    said = condition(found, "WrittenBack")
    assert (said["status"], said["reason"]) == ("False", "Unreachable")
    assert condition(found, "Ready")["status"] == "True"
    stable = found["status"]["delivery"]["stable"]
    assert await traffic(site) == {stable: 100}
    registrar.told = 0
    await site.pass_time(minutes=10)
    assert 3 <= registrar.told <= 8
    registrar.down = False
    await site.pass_time(minutes=5)
    assert registrar.aliases == {("fraud", "champion"): "1"}
    assert condition(await site.model(), "WrittenBack")["status"] == "True"


async def told_of(site: Site, reason: str) -> int:
    """How often Events with this reason were told."""
    events = (await site.kube.user.list(EVENTS)).items
    found = [event for event in events if event["reason"] == reason]
    return sum(1 + event.get("series", {}).get("count", 0) for event in found)


async def test_a_long_outage_is_told_once_and_champion_then_follows_what_serves(
    site: Site, registrar: FakeRegistrar
) -> None:
    registrar.down = True
    await settle(site, written_back(direct(V1)))
    await site.pass_time(minutes=30)
    assert await told_of(site, "Unreachable") == 1
    registrar.told = 0
    found = await settle(site, written_back(direct(V2)))
    assert await traffic(site) == {found["status"]["latestRevision"]: 100}
    assert registrar.told == 1, "something new is tried at once, however long the pause still is"
    registrar.down = False
    await site.pass_time(minutes=6)
    assert registrar.aliases == {("fraud", "champion"): "2"}
    registrar.down = True
    registrar.told = 0
    await settle(site, written_back(direct(V1)))
    await site.pass_time(seconds=50)
    assert registrar.told >= 3, "another outage begins with short pauses"
    assert await told_of(site, "Unreachable") == 3, "one for each thing that could not be told"


async def test_a_version_that_is_gone_from_the_registry_is_not_in_the_way_of_others(
    site: Site, registrar: FakeRegistrar
) -> None:
    registrar.gone, registrar.down = {"2"}, True
    for uri in (V1, V2):
        document = written_back(direct(uri))
        document["spec"] |= {"gates": [{"name": "auc", "metric": "roc_auc", "min": 0.5}]}
        document["spec"].pop("ungated", None)
        await settle(site, document)
    registrar.down = False
    await site.pass_time(minutes=1)
    assert list(registrar.tags) == [("fraud", "1", "tidegate.rejected")]
    said = condition(await site.model(), "WrittenBack")
    assert (said["status"], said["reason"]) == ("False", "ArtifactNotFound")
    registrar.told = 0
    await site.pass_time(minutes=10)
    assert 2 <= registrar.told <= 8


@pytest.mark.parametrize("writes", range(1, 14))
async def test_a_crash_at_any_write_tells_at_least_once_and_comes_to_rest(
    site: Site, registrar: FakeRegistrar, writes: int
) -> None:
    await site.kube.put(written_back(direct(V1)))
    site.kube.transport.kill_after(writes)
    try:
        await site.harness.settle()
    except Killed:
        site.harness.restart()
    await site.harness.settle()
    await site.pass_time(seconds=5)
    found = await site.model()
    assert registrar.aliases == {("fraud", "champion"): "1"}
    assert 1 <= registrar.told <= 2
    assert (
        found["status"]["writeBack"]["promoted"]["revision"]
        == (found["status"]["delivery"]["stable"])
    )


async def test_what_was_told_goes_from_status_with_the_field(
    site: Site, registrar: FakeRegistrar
) -> None:
    await settle(site, written_back(direct(V1)))
    found = await settle(site, direct(V1))
    assert "writeBack" not in found["status"]
    assert condition(found, "WrittenBack") == {}
    assert registrar.told == 1


async def test_a_model_without_a_registry_has_nothing_to_write_back() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube)
        await settle(site, direct(V1))
        assert site.registrar.told == 0
