"""Users' own queries and conditions are tried when they are declared, not when a version waits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.controllers.site import NAMESPACE, Site, condition, rollout
from tests.controllers.test_observing import BUDGET, measured, spent

from tidegate.kube.resources import EVENTS, MODELS
from tidegate.metrics.base import Error

REFUSED = Error("parse error at char 3", refused=True)
DOWN = Error("Prometheus at http://prometheus did not answer in 5 s")
NO_BOOL = {**BUDGET, "condition": "value"}


async def edit(site: Site, *metrics: dict[str, Any]) -> dict[str, Any]:
    """The Rollout after exactly what one edit of its metrics sets going at once."""
    await site.kube.put(rollout(analysis=measured(*metrics)))
    await site.harness.settle()
    return await site.rollout()


async def version(site: Site) -> str:
    return str((await site.rollout())["metadata"]["resourceVersion"])


@pytest.mark.scenario("BI-04")
async def test_a_refused_query_is_told_at_rest_and_not_asked_again(site: Site) -> None:
    stable = await site.start()
    site.metrics.numbers[spent(stable)] = REFUSED
    found = await edit(site, BUDGET)
    assert found["status"]["phase"] == "Healthy"
    for type_ in ("Ready", "Stalled"):
        said = condition(found, type_)
        assert said["reason"] == "BadMetric"
        assert said["message"] == "metric budget: parse error at char 3"
        assert said["observedGeneration"] == found["metadata"]["generation"]
    assert site.metrics.queried == [spent(stable)]
    before = await version(site)
    await site.pass_time(seconds=60)
    assert site.metrics.queried == [spent(stable)]
    assert await version(site) == before
    told = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    assert [event["reason"] for event in told].count("BadMetric") == 1


async def test_a_mended_query_is_tried_and_all_is_well_again(site: Site) -> None:
    stable = await site.start()
    site.metrics.numbers[spent(stable)] = REFUSED
    await edit(site, BUDGET)
    mended = {**BUDGET, "prometheus": {"query": "mended"}}
    found = await edit(site, mended)
    assert condition(found, "Ready")["reason"] == "Promoted"
    assert site.metrics.queried == [spent(stable), "mended"]


async def test_a_condition_that_is_no_bool_is_told_at_rest(site: Site) -> None:
    await site.start()
    found = await edit(site, NO_BOOL)
    assert found["status"]["phase"] == "Healthy"
    said = condition(found, "Stalled")
    assert said["reason"] == "BadMetric"
    assert 'like "value < 0.2"' in said["message"]


async def test_a_condition_is_told_too_when_it_is_edited_under_an_attempt(site: Site) -> None:
    stable = await site.start(analysis=measured(BUDGET))
    new = await site.ask_for("https://models/v2")
    site.metrics.numbers = {spent(stable): 0.1, spent(new): 0.1}
    await site.until("Progressing")
    found = await edit(site, NO_BOOL)
    assert condition(found, "Stalled")["reason"] == "BadMetric"


async def test_after_a_rollback_both_are_told(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    site.metrics.behave(site.cluster(new), error_rate=0.5)
    await site.until("Degraded")
    before = condition(await site.rollout(), "Ready")
    assert before["reason"] == "RolledBack"
    await site.kube.put(rollout(analysis=measured(NO_BOOL)))
    await site.harness.settle()
    said = condition(await site.rollout(), "Ready")
    assert said["reason"] == "RolledBack"
    assert "Besides, metric budget: condition" in said["message"]


async def test_while_pods_are_waited_for_it_is_not_told_over_and_over(site: Site) -> None:
    await site.start(analysis=measured(NO_BOOL))
    new = await site.ask_for("https://models/v2")
    site.harness.world.ready[new] = 0
    await site.until("Starting")
    await site.pass_time(seconds=30)
    assert (await site.rollout())["status"]["hold"]["reason"] == "CapacityMissing"
    told = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    bad = [event for event in told if event["reason"] == "BadMetric"]
    assert sum(int(event.get("series", {}).get("count", 1)) for event in bad) <= 2


async def test_a_source_that_is_down_is_tried_again_ever_more_seldom(site: Site) -> None:
    stable = await site.start()
    site.metrics.numbers[spent(stable)] = DOWN
    found = await edit(site, BUDGET)
    assert condition(found, "Ready")["reason"] == "Promoted"
    asked = len(site.metrics.queried)
    await site.pass_time(seconds=300)
    assert asked < len(site.metrics.queried) <= 5
    site.metrics.numbers[spent(stable)] = REFUSED
    await site.pass_time(seconds=600)
    assert condition(await site.rollout(), "Ready")["reason"] == "BadMetric"


async def test_an_operator_that_restarts_while_the_source_is_down_keeps_what_was_told(
    site: Site,
) -> None:
    stable = await site.start()
    site.metrics.numbers[spent(stable)] = REFUSED
    await edit(site, BUDGET)
    site.metrics.numbers[spent(stable)] = DOWN
    site.harness.restart()
    await site.harness.settle()
    assert condition(await site.rollout(), "Ready")["reason"] == "BadMetric"


async def test_no_attempt_begins_on_a_query_that_could_not_be_tried(site: Site) -> None:
    stable = await site.start(analysis=measured(BUDGET))
    site.metrics.numbers[spent(stable)] = DOWN
    new = await site.ask_for("https://models/v2")
    await site.until("WarmingUp")
    await site.pass_time(seconds=30)
    found = await site.rollout()
    assert found["status"]["hold"]["reason"] == "MetricsUnavailable"
    assert "metric budget: Prometheus" in found["status"]["hold"]["message"]
    assert (await site.weights()).get(new, 0) == 0
    site.metrics.numbers = {spent(stable): 0.1, spent(new): 0.1}
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_a_deleted_model_is_forgotten(site: Site) -> None:
    stable = await site.start(analysis=measured(BUDGET))
    assert site.metrics.queried.count(spent(stable)) == 1
    await site.kube.user.delete(MODELS, "flight-delay", namespace=NAMESPACE)
    await site.harness.settle()
    assert condition(await site.rollout(), "Ready")["reason"] == "ModelMissing"
