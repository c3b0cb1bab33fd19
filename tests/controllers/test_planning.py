"""The plan says what the controller then does, and writes nothing (scenario ST-05)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, SETTINGS, Site, model, rollout, sha

from tidegate.controllers.planning import Planned, Planner
from tidegate.kube.client import Client
from tidegate.kube.resources import MODELS, ROLLOUTS, Resource
from tidegate.metrics.base import Error
from tidegate.runtime.request import Request
from tidegate.testing.transport import InProcessTransport
from tidegate.traffic.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.objects import Object
    from tidegate.kube.transport import Response

BETTER, WORSE = "https://models/v2", "https://models/v3"


class ReadOnly(InProcessTransport):
    """Refuses everything that could write."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        assert method == "GET", f"a plan wrote: {method} {path}"
        return await super().request(
            method, path, params=params, headers=headers, body=body, timeout=timeout
        )


async def planner(site: Site, *manifests: tuple[Resource, Object]) -> Planner:
    client = Client(ReadOnly(site.kube.api), clock=site.kube.clock)
    found = Planner(client, SETTINGS, site.metrics, namespace=NAMESPACE)
    await found.read()
    found.lay_over(manifests)
    return found


async def plan(site: Site) -> Planned:
    return await (await planner(site)).plan(NAME)


async def _then(site: Site) -> tuple[Object | None, dict[str, int] | None]:
    """The status and the route that the next reconcile writes, if it does."""
    before = len(site.kube.transport.writes)
    await site.harness.once("delivery", Request("Model", NAMESPACE, NAME))
    made = site.kube.transport.writes[before:]
    status = next((w.body["status"] for w in made if w.path.endswith("/flights/status")), None)
    route = next((w.body for w in made if "/httproutes/" in w.path and w.method == "PATCH"), None)
    if route is None:
        return status, None
    return status, dict(PROVIDERS["gatewayAPI"](None).observe(route).weights or {})


async def compare(site: Site) -> set[str]:
    """Plan, let the operator look, and hold one against the other; returns the planned reasons."""
    await site.harness.world.step()
    planned = await plan(site)
    assert planned.decision.rollout is not None
    wanted = planned.decision.rollout.wire()
    live = (await site.rollout()).get("status", {})
    weights = await site.route()
    status, route = await _then(site)
    assert _told(wanted) == _told(status if status is not None else live)
    if planned.plan.weights:
        assert route == dict(planned.decision.weights or {})
    else:  # written or not: it says what it said
        assert route in (None, weights)
    await site.harness.settle()
    return {entry.reason for entry in planned.plan.transitions}


def _told(status: dict[str, Any]) -> dict[str, Any]:
    """A status without what only the record needs."""
    return {key: value for key, value in status.items() if key != "records"}


async def _outage(site: Site) -> None:
    site.metrics.outage = Error("connection refused")


async def _back(site: Site) -> None:
    site.metrics.outage = None


async def _crash(site: Site) -> None:
    site.harness.world.ready[await _candidate(site)] = 0


async def _errors(site: Site) -> None:
    site.metrics.behave(site.cluster(await _candidate(site)), error_rate=0.3)


async def _candidate(site: Site) -> str:
    return str((await site.model())["status"]["latestRevision"])


async def _pause(site: Site) -> None:
    await site.kube.edit(await site.rollout(), paused=True)


async def _abort(site: Site) -> None:
    text = '{"id":"a1","verb":"abort","by":"alice"}'
    await site.kube.user.patch(
        ROLLOUTS,
        "flights",
        {"metadata": {"annotations": {"tidegate.dev/command": text}}},
        namespace=NAMESPACE,
        manager="user",
    )


type Change = Callable[[Site], Awaitable[None]]


@pytest.mark.scenario("ST-05")
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, {"StepReached", "EvidencePromotes", "Promoted"}),
        ({20: _errors}, {"EvidenceRollsBack"}),
        ({15: _outage, 40: _back}, {"MetricsUnavailable", "HoldCleared", "EvidencePromotes"}),
        ({20: _crash}, {"CandidateUnavailable"}),
        ({15: _pause}, {"PausedBySpec"}),
        ({30: _abort}, {"Aborted"}),
    ],
    ids=["promotion", "rollback", "outage", "crash", "pause", "abort"],
)
async def test_the_plan_says_what_the_controller_then_does(
    site: Site, changes: dict[int, Change], reasons: set[str]
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    seen: set[str] = set()
    for second in range(100):
        if second in changes:
            await changes[second](site)
        await site.flow()
        await site.kube.clock.advance(1.0)
        seen |= await compare(site)
    assert reasons <= seen


async def test_at_rest_there_is_nothing_to_do(site: Site) -> None:
    await site.start()
    planned = await plan(site)
    assert not planned.changes
    assert planned.plan.reason == ""


async def test_an_edited_metric_drops_the_evidence_and_a_deadline_does_not(site: Site) -> None:
    await site.start()
    candidate = await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.pass_time(seconds=8)
    soft = rollout(deadline="3h")
    found = await (await planner(site, (ROLLOUTS, soft))).plan(NAME, edited=[(ROLLOUTS, "flights")])
    assert [(e.field, e.meaning) for e in found.effects] == [
        ("deadline", "applied in place; the evidence is kept")
    ]
    assert found.plan.reason == ""
    hard = rollout()
    hard["spec"]["analysis"]["metrics"][0]["margin"]["ratio"] = 2
    found = await (await planner(site, (ROLLOUTS, hard))).plan(NAME, edited=[(ROLLOUTS, "flights")])
    assert [e.field for e in found.effects] == ["analysis.metrics[errors].margin.ratio"]
    assert "attempt 1 is taken back, its evidence is dropped" in found.effects[0].meaning
    assert found.plan.reason == "Superseded"
    assert found.plan.weights[candidate][1] == 0


async def test_an_edited_model_says_which_revision_it_makes(site: Site) -> None:
    stable = await site.start()
    calm = model(scaling={"minReplicas": 3, "maxReplicas": 3})
    found = await (await planner(site, (MODELS, calm))).plan(NAME, edited=[(MODELS, NAME)])
    assert {e.meaning for e in found.effects} == {"applied in place; no new revision"}
    assert found.revision == ""
    other = model(BETTER)
    found = await (await planner(site, (MODELS, other))).plan(NAME, edited=[(MODELS, NAME)])
    assert found.plan.transitions[0].reason == "AttemptStarted"
    assert {e.meaning for e in found.effects} == {f"a new revision: {found.revision}"}
    assert found.plan.delivery["candidate"] == (None, found.revision)
    assert found.revision == await site.ask_for(BETTER)
    assert found.revision != stable


async def test_an_artifact_that_is_not_pinned_has_to_be_resolved_first(site: Site) -> None:
    await site.start()
    loose = model()
    loose["spec"]["artifact"] = {"uri": "https://models/new", "format": "sklearn-skops"}
    found = await (await planner(site, (MODELS, loose))).plan(NAME, edited=[(MODELS, NAME)])
    assert found.revision == ""
    assert "the artifact is resolved first" in found.effects[0].meaning
    pinned = model("https://models/v1", artifact={**loose["spec"]["artifact"], "sha256": sha("x")})
    found = await (await planner(site, (MODELS, pinned))).plan(NAME, edited=[(MODELS, NAME)])
    assert found.revision


async def test_what_is_not_there_yet_is_planned_as_new(site: Site) -> None:
    await site.start()
    fresh = model()
    fresh["metadata"] = {"name": "other", "namespace": NAMESPACE}
    fresh["spec"]["traffic"]["gatewayAPI"]["hostnames"] = ["other.example"]
    found = await (await planner(site, (MODELS, fresh))).plan("other", edited=[(MODELS, "other")])
    assert "created" in found.effects[0].meaning
    assert found.changes


async def test_without_metrics_it_says_what_was_not_asked(site: Site) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.flow()
    await site.kube.clock.advance(timedelta(seconds=20).total_seconds())
    client = Client(ReadOnly(site.kube.api), clock=site.kube.clock)
    blind = Planner(client, SETTINGS, None, namespace=NAMESPACE)
    await blind.read()
    found = await blind.plan(NAME)
    assert found.unasked == "the batch that is due"
    assert "MetricsUnavailable" not in found.plan.hold
