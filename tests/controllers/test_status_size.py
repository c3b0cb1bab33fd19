"""How large a Model's status gets in long, busy use, as the real controllers write it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, model, rollout
from tests.controllers.test_approval import Governed, made_by
from tests.controllers.test_training import CRON_JOB, FROM, end
from tests.manifests.people import MODEL, ROLLOUT

from tidegate.api.origin import Origin
from tidegate.kube.resources import CONFIGMAPS, MODELS
from tidegate.specs.lineage import by_revision
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 16_000
"""Bytes of a status as JSON, without managedFields."""
EARLIER, PROMOTED, VERSIONS = 12, 3, 14
"""So many versions were taken back before, so many come in, and the others are taken back."""
CANARY = {"canary": {"steps": [{"weight": 50, "duration": "5s"}]}}
GATES = [
    {"name": "auc", "metric": "roc_auc", "min": 0.65, "dataset": "sha256:aa"},
    {"name": "no-regression", "metric": "roc_auc", "relativeTo": "stable", "maxDrop": 0.01},
    {"name": "calibrated", "metric": "brier", "max": 0.2},
]


@pytest.fixture
async def site() -> AsyncIterator[Governed]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        found = Governed(kube)
        await found.furnish()
        yield found


def uri(number: int) -> str:
    return f"models:/flight-delay/{number}"


def registered(number: int) -> Origin:
    """What the registry knows of a version that a training made."""
    known = made_by("alice@corp", 0.8712).wire()
    brier = {**known["metrics"][0], "metric": "brier", "value": 0.1432}
    return Origin.model_validate(
        {
            **known, "name": "flight-delay", "version": str(number), "run": "0123456789abcdef" * 2,
            "gitCommit": "c0ffee" * 6 + "c0ff", "metrics": [*known["metrics"], brier],
            "tags": {"tidegate.training": f"{NAMESPACE}/{NAME}/{number}"},
        }
    )  # fmt: skip


def declared(number: int) -> dict[str, Any]:
    document = model(
        uri(number), gates=GATES, approval={"groups": ["ml-leads"], "expires": "72h"},
        training={"jobFrom": FROM, "retries": 0},
    )  # fmt: skip
    tag = {"tag": "tidegate.rejected"}
    back = {"onPromoted": {"alias": "champion"}, "onRejected": tag}
    document["spec"]["artifact"]["writeBack"] = back
    return document


def size(part: Any) -> int:
    return len(json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode())


async def command(site: Governed, number: int, verb: str, **more: Any) -> None:
    text = json.dumps({"id": str(number), "verb": verb, "by": "carol", **more})
    assert (await site.place("carol").annotate(ROLLOUT, command=text)).status == 200
    await site.harness.settle()


async def train(site: Governed, number: int) -> None:
    text = json.dumps({"id": str(number), "by": "carol"})
    assert (await site.place("carol").annotate(MODEL, retrain=text)).status == 200
    await site.harness.settle()
    await end(site, f"{NAME}-train-{number}", "Failed" if number % 4 == 0 else "Complete")


async def approve(site: Governed) -> None:
    status = (await site.model())["status"]
    latest = next(one for one in status["revisions"] if one["name"] == status["latestRevision"])
    evidence = latest["approval"]["evidence"]
    given = await site.place("carol").approve(revision=latest["name"], evidence=evidence)
    assert given.status == 200
    await site.harness.settle()


async def live(site: Governed, number: int) -> None:
    """One version: trained, registered, judged, approved, and brought in or taken back."""
    await train(site, number)
    site.shelf.origins[uri(number)] = registered(number)
    await site.put(declared(number), seconds=1)
    await approve(site)
    await site.pass_time(seconds=2)
    if number <= PROMOTED:
        if number > 1:
            await command(site, number, "promote", force=True)
        await site.until("Healthy")
    else:
        await command(site, number, "abort")
        await site.until("Degraded")


async def seed(site: Site) -> None:
    """Rejections of before, as an older operator left them: in full."""
    why = "errors: candidate 6 of 50 against stable 1 of 950: ratio at least 1.9; " * 3
    old = [
        {
            "digest": f"{number:064x}", "revision": f"{NAME}-{number:08x}", "message": why,
            "reason": "EvidenceRollsBack", "at": "2026-01-01T00:00:00Z",
        }
        for number in range(EARLIER)
    ]  # fmt: skip
    body = {"status": {"delivery": {"rejected": old}}}
    await site.kube.user.patch(
        MODELS, NAME, body, namespace=NAMESPACE, manager="old", subresource="status"
    )


async def lineage(site: Site) -> dict[str, Any]:
    return await site.kube.user.get(CONFIGMAPS, f"{NAME}-lineage", namespace=NAMESPACE)


async def test_a_busy_models_status_stays_under_16_kb_and_its_lineage_is_whole(
    site: Governed,
) -> None:
    await site.kube.put(CRON_JOB)
    site.shelf.origins[uri(0)] = registered(0)
    await site.put(model(uri(0), training={"jobFrom": FROM}), seconds=1)
    await seed(site)
    await site.kube.put(rollout(strategy=CANARY))
    for number in range(1, VERSIONS + 1):
        await live(site, number)
        status = (await site.model())["status"]
        assert size(status) < LIMIT, {key: size(part) for key, part in status.items()}
    delivery, made = status["delivery"], (await lineage(site))["data"]
    assert len(delivery["rejected"]) == 20
    assert len(status["writeBack"]["rejected"]) == 10
    assert len(status["revisions"]) >= 6
    known = by_revision(await lineage(site))
    assert len(known) == VERSIONS + 1
    told = {
        name: len(parts["gates"]["results"]) for name, parts in known.items() if "gates" in parts
    }
    assert sorted(told.values()) == [len(GATES)] * VERSIONS
    assert (
        sum(parts["approval"]["by"] == "carol" for parts in known.values() if "approval" in parts)
        == VERSIONS
    )
    messages = [parts["rejected"]["message"] for parts in known.values() if "rejected" in parts]
    assert messages == ["aborted by carol"] * (VERSIONS - PROMOTED)

    await site.pass_time(minutes=1)
    assert (await lineage(site))["data"] == made
