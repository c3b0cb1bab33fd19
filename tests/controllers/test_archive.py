"""Decision records in a cluster: written in parts, finished, pruned, never in a delivery's way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, rollout

from tidegate.api.record_status import OpenRecord
from tidegate.controllers import archive
from tidegate.domain.record import replay
from tidegate.kube.objects import name_of, uid_of
from tidegate.kube.resources import CONFIGMAPS, MODELS, ROLLOUTS
from tidegate.specs.lineage import lineage_name
from tidegate.specs.metadata import Parent
from tidegate.specs.record import OPEN_LABEL, parts_of, record_head, rows_of, selector, size_of

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.testing.transport import Sent

BETTER = "https://models/v2"
STATUS_BYTES = 7000
"""What rows may take of a status, which is to stay below 16 kB."""


async def records(site: Site) -> list[Object]:
    """All records of the Model."""
    found = await site.kube.user.list(
        CONFIGMAPS, namespace=NAMESPACE, label_selector=selector(NAME)
    )
    return found.items


def of_records(sent: Sent) -> bool:
    """Whether a request is about a record by its name: a Model has another ConfigMap too."""
    return "/configmaps/" in sent.path and not sent.path.endswith(lineage_name(NAME))


def writes(site: Site) -> int:
    """How often a record was written."""
    return sum(1 for sent in site.kube.transport.writes if of_records(sent))


async def deliver(site: Site) -> None:
    """A promotion, and what is written after it."""
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Healthy")
    await site.pass_time(seconds=2)


async def an_attempt_under_way(site: Site) -> None:
    """The first attempt, with batches in its record and rows that wait."""
    await site.start(strategy={"canary": {"steps": [{"weight": 5, "duration": "20m"}]}})
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.pass_time(seconds=300)


async def test_a_finished_record_is_whole_immutable_and_the_models(site: Site) -> None:
    await deliver(site)
    (record,) = await records(site)
    assert record["immutable"] is True
    model = await site.kube.user.get(MODELS, NAME, namespace=NAMESPACE)
    assert [owner["uid"] for owner in record["metadata"]["ownerReferences"]] == [uid_of(model)]
    assert record["metadata"]["labels"]["tidegate.dev/attempt"] == "1"
    assert replay(rows_of(record)).same
    assert (await site.rollout())["status"].get("records", []) == []


async def test_parts_hold_many_rows_and_at_rest_nothing_is_written(site: Site) -> None:
    await deliver(site)
    (record,) = await records(site)
    rows = len(rows_of(record))
    assert len(parts_of(record)) <= 3 + rows // 15
    assert writes(site) <= 5 + rows // 15
    before = len(site.kube.transport.writes)
    await site.harness.advance(timedelta(minutes=10))
    site.harness.wake_all()
    await site.harness.settle()
    assert not [w for w in site.kube.transport.writes[before:] if "/configmaps" in w.path]


async def test_rows_in_the_status_stay_few(site: Site) -> None:
    site.rate = 20.0
    await site.start(strategy={"canary": {"steps": [{"weight": 5, "duration": "5m"}]}})
    await site.ask_for(BETTER)
    most = 0
    for _ in range(120):
        await site.pass_time(seconds=2)
        status = (await site.rollout())["status"]
        most = max(most, len(json.dumps(status.get("records", []))))
    assert 500 < most < STATUS_BYTES


async def test_the_oldest_records_are_deleted(site: Site) -> None:
    for number in range(archive.KEPT + 2):
        record = OpenRecord(name=f"old-{number:02d}", attempt=number)
        head = record_head(Parent(NAME, NAMESPACE, {}), record, rollout="old")
        del head["metadata"]["ownerReferences"]
        await site.kube.put(head)
        await site.kube.clock.advance(1)
    await deliver(site)
    kept = sorted(name_of(record) for record in await records(site))
    assert len(kept) == archive.KEPT
    assert next(name for name in kept if name.startswith("old-")) == "old-03"


async def test_a_record_that_cannot_be_written_stops_nothing(site: Site) -> None:
    await site.start()
    site.kube.transport.fail(status=403, reason="Forbidden", path="/configmaps", times=10_000)
    await site.ask_for(BETTER)
    await site.until("Healthy")
    assert await records(site) == []
    status = (await site.rollout())["status"]
    assert len(json.dumps(status["records"])) < STATUS_BYTES
    tries = sum(1 for sent in site.kube.transport.sent if of_records(sent))
    assert tries < 10
    site.kube.transport.heal()
    await site.harness.advance(archive.RETRY)
    (record,) = await records(site)
    assert record["immutable"] is True
    assert (await site.rollout())["status"].get("records", []) == []


async def test_after_a_long_failure_the_record_says_what_is_missing(site: Site) -> None:
    site.rate = 20.0
    await site.start(strategy={"canary": {"steps": [{"weight": 5, "duration": "20m"}]}})
    site.kube.transport.fail(status=503, path="/configmaps", times=10_000)
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.pass_time(seconds=400)
    assert len(json.dumps((await site.rollout())["status"]["records"])) < STATUS_BYTES
    site.kube.transport.heal()
    await site.harness.advance(archive.RETRY)
    await site.command("abort")
    await site.pass_time(seconds=5)
    (record,) = await records(site)
    rows = rows_of(record)
    assert [row.kind for row in rows if row.kind == "lost"]
    found = replay(rows)
    assert not found.same
    assert "are missing" in found.problems[0]
    last = found.checks[-1]
    assert (last.exact, last.problem) == (True, "")


@pytest.mark.parametrize("killed", [False, True])
async def test_a_long_record_is_made_shorter(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, killed: bool
) -> None:
    monkeypatch.setattr(archive, "SIZE_SOFT", 4000)
    await site.start(strategy={"canary": {"steps": [{"weight": 5, "duration": "8m"}]}})
    await site.ask_for(BETTER)
    await site.until("Progressing")
    for _ in range(4):
        await site.pass_time(seconds=100)
        if killed:
            site.harness.restart()
            site.harness.wake_all()
    await site.until("Healthy")
    await site.pass_time(seconds=2)
    (record,) = await records(site)
    assert record["immutable"] is True
    rows = rows_of(record)
    merged = [row for row in rows if row.kind == "merged"]
    assert merged
    found = replay(rows)
    assert found.same, found.problems
    counted = sum(int(row.body["count"]) for row in merged)
    assert found.batches == counted + sum(1 for row in rows if row.kind == "batch")
    assert size_of(record) < 8000


async def test_a_second_attempt_has_a_record_of_its_own(site: Site) -> None:
    await deliver(site)
    await site.ask_for("https://models/v3")
    await site.until("Progressing")
    await site.command("abort", by="alice")
    await site.pass_time(seconds=5)
    first, second = sorted(await records(site), key=lambda r: r["metadata"]["labels"].items())
    assert [rows_of(r)[0].body["attempt"] for r in (first, second)] == [1, 2]
    told: list[dict[str, Any]] = [r.body for r in rows_of(second) if r.kind == "command"]
    assert [(body["verb"], body["by"], body["result"]) for body in told] == [
        ("abort", "alice", "Done")
    ]


@pytest.mark.parametrize("seen", [True, False], ids=["operator-saw-it", "operator-was-down"])
async def test_the_record_of_a_rollout_deleted_in_an_attempt_is_closed(
    site: Site, *, seen: bool
) -> None:
    await an_attempt_under_way(site)
    await site.kube.user.delete(ROLLOUTS, name_of(await site.rollout()), namespace=NAMESPACE)
    if not seen:
        site.harness.restart()
        site.harness.wake_all()
    await site.pass_time(seconds=5)
    (record,) = await records(site)
    rows = rows_of(record)
    assert (rows[-1].kind, rows[-1].body) == ("end", {"phase": "Deleted"})
    assert record["immutable"] is True
    assert OPEN_LABEL not in record["metadata"]["labels"]
    assert bool([row for row in rows if row.kind == "lost"]) is not seen
    before = writes(site)
    await site.pass_time(seconds=60)
    assert writes(site) == before


async def test_the_record_of_a_rollout_that_only_does_not_act_stays_open(site: Site) -> None:
    await an_attempt_under_way(site)
    direct = {"spec": {"delivery": "Direct"}}
    await site.kube.user.patch(MODELS, NAME, direct, namespace=NAMESPACE, manager="ada")
    await site.pass_time(seconds=60)
    (record,) = await records(site)
    assert record["metadata"]["labels"][OPEN_LABEL] == "true"
    assert "immutable" not in record


@pytest.mark.parametrize("seen", [True, False], ids=["operator-saw-it", "operator-was-down"])
async def test_a_rollout_that_is_deleted_and_made_anew_at_once_leaves_no_open_record(
    site: Site, *, seen: bool
) -> None:
    await an_attempt_under_way(site)
    await site.kube.user.delete(ROLLOUTS, name_of(await site.rollout()), namespace=NAMESPACE)
    await site.kube.put(rollout(strategy={"canary": {"steps": [{"weight": 5, "duration": "20m"}]}}))
    if not seen:
        site.harness.restart()
        site.harness.wake_all()
    await site.pass_time(seconds=300)
    first, second = sorted(await records(site), key=lambda one: rows_of(one)[0].at)
    last = rows_of(first)[-1]
    assert (last.kind, last.body, first["immutable"]) == ("end", {"phase": "Deleted"}, True)
    assert OPEN_LABEL not in first["metadata"]["labels"]
    assert second["metadata"]["labels"][OPEN_LABEL] == "true"
    assert {row.kind for row in rows_of(second)} >= {"begin", "batch"}


@pytest.mark.parametrize(
    "row", ["nonsense", '[1, "begin", "2026-01-01T00:00:00Z", {"first": "x"}]', "[" * 100_000]
)
async def test_what_is_no_record_keeps_none_from_being_closed(site: Site, row: str) -> None:
    await an_attempt_under_way(site)
    (record,) = await records(site)
    other = {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": NAMESPACE, "labels": record["metadata"]["labels"]},
        "data": {"format": record["data"]["format"], "rows-000001.jsonl": row},
    }  # fmt: skip
    await site.kube.user.create(CONFIGMAPS, other, manager="user")
    site.harness.restart()
    await site.kube.user.delete(ROLLOUTS, name_of(await site.rollout()), namespace=NAMESPACE)
    site.harness.wake_all()
    await site.pass_time(seconds=5)
    found = {name_of(one): one for one in await records(site)}
    assert rows_of(found[name_of(record)])[-1].kind == "end"


async def test_a_record_that_cannot_be_closed_is_closed_later(site: Site) -> None:
    await an_attempt_under_way(site)
    site.kube.transport.fail(status=503, path="/configmaps", times=10_000)
    await site.kube.user.delete(ROLLOUTS, name_of(await site.rollout()), namespace=NAMESPACE)
    await site.pass_time(seconds=20)
    assert await site.weights() == {(await site.model())["status"]["delivery"]["stable"]: 100}
    site.kube.transport.heal()
    await site.pass_time(seconds=60)
    (record,) = await records(site)
    assert (rows_of(record)[-1].kind, record["immutable"]) == ("end", True)


async def test_a_model_that_has_no_rollout_any_more_asks_for_records_once(site: Site) -> None:
    await an_attempt_under_way(site)
    await site.kube.user.delete(ROLLOUTS, name_of(await site.rollout()), namespace=NAMESPACE)
    await site.pass_time(seconds=5)
    before = len(site.kube.transport.sent)
    for _ in range(3):
        site.harness.wake_all()
        await site.pass_time(seconds=60)
    asked = [sent for sent in site.kube.transport.sent[before:] if "/configmaps" in sent.path]
    assert not [sent for sent in asked if OPEN_LABEL in sent.params.get("labelSelector", "")]
