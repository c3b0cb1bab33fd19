"""Metrics of every type, from the user's query to the verdict, through the real controllers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, condition, rollout

from tidegate.domain.record import in_order, replay
from tidegate.kube.resources import CONFIGMAPS, EVENTS
from tidegate.metrics.base import Error, NoData
from tidegate.specs.record import rows_of, selector

ANALYSIS: dict[str, Any] = rollout()["spec"]["analysis"]
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
BUDGET = {
    "name": "budget",
    "type": "Value",
    "prometheus": {"query": 'spent{version="{{revision}}"}'},
    "condition": "value < 0.2",
}
CANCELLED = {
    "name": "cancelled",
    "type": "Counters",
    "prometheus": {
        "bad": 'cancelled{version="{{revision}}"}',
        "total": 'booked{version="{{revision}}"}',
    },
    "margin": {"ratio": 1.5, "absolute": 0.02},
}


def measured(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {**ANALYSIS, "metrics": [ERRORS, *metrics]}


def spent(revision: str) -> str:
    return f'spent{{version="{revision}"}}'


def booked(revision: str) -> str:
    return f'booked{{version="{revision}"}}'


async def test_a_number_that_breaks_its_condition_takes_the_candidate_back(site: Site) -> None:
    stable = await site.start(analysis=measured(BUDGET))
    site.metrics.numbers[spent(stable)] = 0.1
    new = await site.ask_for("https://models/v2")
    site.metrics.numbers[spent(new)] = 0.7
    found = await site.until("Degraded")
    message = condition(found, "Ready")["message"]
    assert "budget: value 0.7, value < 0.2 is false (3 of 3)" in message
    assert await site.weights() == {stable: 100}


@pytest.mark.scenario("ND-06")
async def test_no_number_holds_and_is_no_verdict(site: Site) -> None:
    await site.start(analysis=measured(BUDGET))
    new = await site.ask_for("https://models/v2")
    site.metrics.numbers[spent(new)] = NoData("the query gives NaN")
    found = await site.until("Holding")
    assert found["status"]["hold"]["reason"] == "NoData"
    assert "budget" in found["status"]["hold"]["message"]
    site.metrics.numbers[spent(new)] = 0.1
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


@pytest.mark.scenario("ND-06")
async def test_several_series_are_an_error_that_a_person_mends(site: Site) -> None:
    await site.start(analysis=measured(BUDGET))
    new = await site.ask_for("https://models/v2")
    two = Error("the query gives 2 series where one number is needed", refused=True)
    site.metrics.numbers[spent(new)] = two
    found = await site.until("Holding")
    stalled = condition(found, "Stalled")
    assert stalled["reason"] == "BadMetric"
    assert "2 series" in stalled["message"]


@pytest.mark.scenario("BI-04")
async def test_a_query_that_does_not_parse_is_shown_before_the_first_weight(site: Site) -> None:
    stable = await site.start(analysis=measured(BUDGET))
    site.metrics.numbers[spent(stable)] = Error("parse error at char 3", refused=True)
    new = await site.ask_for("https://models/v2")
    await site.until("WarmingUp")
    await site.pass_time(seconds=30)
    found = await site.rollout()
    stalled = condition(found, "Stalled")
    assert stalled["reason"] == "BadMetric"
    assert "metric budget: parse error at char 3" in stalled["message"]
    assert (await site.weights()).get(new, 0) == 0
    site.metrics.numbers = {spent(stable): 0.1, spent(new): 0.1}
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_a_condition_that_is_no_bool_is_shown_before_the_first_weight(site: Site) -> None:
    await site.start(analysis=measured({**BUDGET, "condition": "value"}))
    await site.ask_for("https://models/v2")
    await site.until("WarmingUp")
    await site.pass_time(seconds=30)
    stalled = condition(await site.rollout(), "Stalled")
    assert stalled["reason"] == "BadMetric"
    assert "true or false" in stalled["message"]


async def test_counters_of_the_users_own_take_the_candidate_back(site: Site) -> None:
    stable = await site.start(analysis=measured(CANCELLED))
    new = await site.ask_for("https://models/v2")
    site.metrics.route({booked(stable): 95.0, booked(new): 5.0})
    site.metrics.behave(booked(new), error_rate=0.5)
    found = await site.until("Degraded")
    assert "cancelled: candidate" in condition(found, "Ready")["message"]


async def test_counters_that_are_not_there_hold_and_errors_still_take_back(site: Site) -> None:
    await site.start(analysis=measured(CANCELLED))
    new = await site.ask_for("https://models/v2")
    found = await site.until("Holding")
    assert found["status"]["hold"]["reason"] == "NoData"
    assert "cancelled" in found["status"]["hold"]["message"]
    site.metrics.behave(site.cluster(new), error_rate=0.5)
    found = await site.until("Degraded")
    assert "errors: candidate" in condition(found, "Ready")["message"]


async def test_predictions_that_drift_take_the_candidate_back(site: Site) -> None:
    drift = {"name": "drift", "type": "PredictionDrift", "max": 0.1}
    steps = {"canary": {"steps": [{"weight": 50, "duration": "10m"}]}}
    stable = await site.start(analysis=measured(drift), strategy=steps)
    site.metrics.predict(site.cluster(stable), "p", {"[0,.5)": 0.5, "[.5,1)": 0.5})
    new = await site.ask_for("https://models/v2")
    site.metrics.predict(site.cluster(new), "p", {"[0,.5)": 0.8, "[.5,1)": 0.2})
    found = await site.until("Degraded")
    assert "drift: predictions of p differ" in condition(found, "Ready")["message"]


@pytest.mark.scenario("BI-05")
async def test_what_a_decision_takes_is_told_when_it_begins(site: Site) -> None:
    site.rate = 4.0
    await site.start(analysis={**ANALYSIS, "metrics": [ERRORS], "minRequests": 100_000})
    await site.ask_for("https://models/v2")
    found = await site.until("Progressing")
    expected = found["status"]["attempt"]["expected"]
    assert expected["requests"] >= 100_000
    assert expected["seconds"] > 7200
    assert "the deadline is 2.0 h" in expected["message"]
    events = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    assert "TrafficTooLow" in [event["reason"] for event in events]


async def test_a_promoted_version_is_judged_although_nobody_counts_the_old_one(site: Site) -> None:
    stable = await site.start(analysis=measured(), baking={"duration": "30m"})
    new = await site.ask_for("https://models/v2")
    await site.until("Baking")
    await site.pass_time(minutes=1)
    site.metrics.forget(site.cluster(stable))
    site.metrics.behave(site.cluster(new), error_rate=0.2)
    found = await site.until("Degraded")
    assert "as stable was before the promotion" in condition(found, "Ready")["message"]
    assert await site.weights() == {stable: 100}


async def test_labels_that_come_later_take_a_promoted_version_back(site: Site) -> None:
    labels = {
        "name": "quality",
        "type": "Labels",
        "delay": "2m",
        "margin": {"absolute": 0.02},
        "prometheus": CANCELLED["prometheus"],
    }
    stable = await site.start(analysis=measured(labels), baking={"duration": "1h"})
    new = await site.ask_for("https://models/v2")
    site.metrics.route({booked(stable): 100.0, booked(new): 100.0})
    site.metrics.behave(booked(new), error_rate=0.3)
    await site.until("Baking")
    found = await site.until("Degraded")
    assert "quality: candidate" in condition(found, "Ready")["message"]
    assert await site.weights() == {stable: 100}


async def test_an_attempt_with_metrics_of_every_kind_recomputes_from_its_record(
    site: Site,
) -> None:
    drift = {"name": "drift", "type": "PredictionDrift", "max": 0.1}
    stable = await site.start(analysis=measured(CANCELLED, BUDGET, drift))
    new = await site.ask_for("https://models/v2")
    site.metrics.route({booked(stable): 95.0, booked(new): 50.0})
    site.metrics.numbers[spent(new)] = 0.1
    for revision in (stable, new):
        site.metrics.predict(site.cluster(revision), "p", {"[0,.5)": 0.5, "[.5,1)": 0.5})
    await site.until("Progressing")
    await site.pass_time(seconds=12)
    site.metrics.numbers[spent(new)] = NoData("the query gives NaN")
    await site.until("Holding")
    site.metrics.numbers[spent(new)] = math.inf
    await site.until("Degraded")
    parts = await site.kube.user.list(
        CONFIGMAPS, namespace=NAMESPACE, label_selector=selector(NAME)
    )
    rows = [row for part in parts.items for row in rows_of(part)]
    found = replay(in_order(rows))
    assert found.same, [check for check in found.checks if check.problem] or found.problems
    assert [first.verdict for first in found.firsts] == ["Rollback"]
