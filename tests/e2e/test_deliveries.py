"""Deliveries from end to end: real pods, Envoy, Prometheus and kubectl, under load.

Every test has a namespace, a Model and traffic of its own, so several are played at once.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.domain.test_model_signing import KEY, P256, pem, sign_folder
from tests.e2e.objects import (
    ERRORS,
    LATENCY,
    condition,
    model,
    namespace,
    rollout,
    secret,
    volume_claim,
)
from tests.e2e.stage import E2E, Stage, Together, eventually, shown

from tidegate import listening
from tidegate.artifacts.tree import folder_digest
from tidegate.kube.resources import MODELS, ROLLOUTS
from tidegate.testing.gateway import free_port

if TYPE_CHECKING:
    from tests.e2e.load import Load
    from tests.e2e.objects import Obj

pytestmark = E2E
together = Together(at_once=3)


async def settled(stage: Stage, where: str, load: Load, *, stable: str) -> None:
    """Everything goes to stable: Envoy says so, and nobody else answers any more."""
    await stage.until_envoy_gives_all_to(stable, where)

    async def alone() -> bool:
        # With a share of one in five left, a hundred in a row would not come in a lifetime.
        return load.answers_since_others(stable) >= 100

    await eventually(alone, saw=load.story)


async def rolled_back(stage: Stage, where: str, *, stable: str, candidate: str) -> str:
    """Why a candidate was taken back, as the conditions of Rollout and Model tell it."""
    found = await stage.until_phase("Degraded", where)
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RolledBack")
    assert condition(found, "Stalled")["status"] == "True"
    assert "Change the Model, or try it again: `tidegate retry " in ready["message"]
    served = await stage.model(where)
    assert condition(served, "Available")["status"] == "True"
    assert condition(served, "Ready")["reason"] == "RolledBack"
    delivery = served["status"]["delivery"]
    assert delivery["stable"] == stable
    assert [entry["revision"] for entry in delivery["rejected"]] == [candidate]
    return str(ready["message"])


@together
async def test_a_crash_looping_candidate_is_taken_back_without_traffic(stage: Stage) -> None:
    where, good = "crashing", stage.artifacts["good"].uri
    stable = await stage.serve(where, model(where, good), rollout(where, (50, "5s")))
    async with stage.load(where, rate=20).flowing() as load:
        # It dies before our own program could say why: only its restarts tell.
        await stage.apply(model(where, good, env={"PYTHONPATH": "/nowhere"}))
        found = await stage.until(lambda m: len(m["status"]["revisions"]) == 2, MODELS, where)
        candidate = found["status"]["latestRevision"]
        message = await rolled_back(stage, where, stable=stable, candidate=candidate)
        await settled(stage, where, load, stable=stable)
    assert "CrashLoop" in message
    assert "kubectl logs" in message
    assert load.untouched(stable), load.story()


async def stable_when_ready(stage: Stage, where: str) -> str:
    """What is stable when `kubectl wait` has seen the Model Ready."""
    await stage.kubectl(
        "wait", "models.tidegate.dev/weather", "-n", where,
        "--for=condition=Ready", "--timeout=90s",
    )  # fmt: skip
    return str((await stage.model(where))["status"]["delivery"]["stable"])


@pytest.mark.scenario("SW-01", "RE-12", "ST-01")
@together
async def test_a_good_version_is_promoted_without_a_failed_request(stage: Stage) -> None:
    where = "promoted"
    old = await stage.serve(
        where,
        model(where, stage.artifacts["good"].uri),
        rollout(where, (20, "3s"), (50, "3s")),
    )
    async with stage.load(where, rate=150, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        waiting = asyncio.create_task(stable_when_ready(stage, where))
        new = await stage.until_tried(where, load, stable=old)
        on_the_way = ({old: 80, new: 20}, {old: 50, new: 50}, {new: 100})
        assert await stage.envoy_weights(where) in on_the_way
        found = await stage.until_phase("Healthy", where)
        await settled(stage, where, load, stable=new)
        assert await waiting == new, "kubectl wait took an old Ready for the new one"
    assert new != old
    assert load.untouched(old, new), load.story()
    assert load.untouched(new, old), load.story()
    weights = [entry["message"] for entry in found["status"]["history"]]
    assert found["status"]["history"][0]["reason"] == "Promoted", weights
    assert condition(found, "Ready")["status"] == "True"
    delivery = (await stage.model(where))["status"]["delivery"]
    assert (delivery["stable"], delivery["previous"]) == (new, old)


@pytest.mark.scenario("AV-01", "AB-05")
@together
async def test_a_version_that_fails_is_taken_back_and_told_by_describe(stage: Stage) -> None:
    where = "broken"
    stable = await stage.serve(
        where,
        model(where, stage.artifacts["good"].uri),
        rollout(where, (20, "1m"), (50, "1m")),
    )
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["broken"].uri))
        candidate = await stage.until_tried(where, load, stable=stable, requests=1)
        message = await rolled_back(stage, where, stable=stable, candidate=candidate)
        await settled(stage, where, load, stable=stable)
        description = await stage.kubectl(
            "describe", "rollouts.tidegate.dev", "weather", "-n", where
        )
        failed = load.failed(candidate)
        await not_tried_again(stage, where, stable=stable, candidate=candidate)
        await settled(stage, where, load, stable=stable)
    assert load.failed(candidate) == failed > 0
    assert load.untouched(stable, candidate), load.story()
    assert "EvidenceRollsBack" in message
    assert "errors" in message
    assert "EvidenceRollsBack" in description, description
    assert f"{candidate} was taken back" in description, description


async def not_tried_again(stage: Stage, where: str, *, stable: str, candidate: str) -> None:
    """Ask for stable and then for a rejected version again: it is refused at once."""
    await stage.apply(model(where, stage.artifacts["good"].uri))
    await stage.until_phase("Healthy", where)
    await stage.apply(model(where, stage.artifacts["broken"].uri))
    await rolled_back(stage, where, stable=stable, candidate=candidate)
    assert (await stage.rollout(where))["status"]["attempts"] == 1


@pytest.mark.scenario("XS-01")
@together
async def test_copies_come_before_callers_and_end_with_the_first_weight(stage: Stage) -> None:
    where = "mirrored"
    declared = rollout(where, (40, "4s"))
    declared["spec"]["strategy"]["canary"]["steps"].insert(0, {"shadow": {}, "duration": "6s"})
    old = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=60).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        found = await stage.until(copies_are_counted, ROLLOUTS, where)
        assert set(load.ledger.revisions) == {old}
        assert await stage.envoy_mirrors(where) == {found["status"]["attempt"]["revision"]}
        new = await stage.until_tried(where, load, stable=old)
        assert await stage.envoy_mirrors(where) == set()
        await stage.until_phase("Healthy", where)
    assert load.untouched(old, new), load.story()


@pytest.mark.scenario("XS-03")
@together
async def test_a_version_that_fails_on_copies_is_taken_back_before_a_caller_meets_it(
    stage: Stage,
) -> None:
    where = "shadow-broken"
    declared = rollout(where, (40, "4s"))
    declared["spec"]["strategy"]["canary"]["steps"].insert(0, {"shadow": {}, "duration": "1m"})
    stable = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=60, missing=2).flowing() as load:
        await stage.apply(model(where, stage.artifacts["broken"].uri))
        await stage.until(lambda m: len(m["status"]["revisions"]) == 2, MODELS, where)
        candidate = (await stage.model(where))["status"]["latestRevision"]
        message = await rolled_back(stage, where, stable=stable, candidate=candidate)
    assert "shadow" in message
    assert load.untouched(stable), load.story()
    assert await stage.envoy_mirrors(where) == set()


def copies_are_counted(found: Obj) -> bool:
    """Whether the first step has seen copies."""
    step = found["status"].get("step") or {}
    return bool(step.get("index") == 0 and step.get("requests", 0) > 0)


@pytest.mark.scenario("AV-05")
@together
async def test_an_incident_of_both_arms_is_blamed_on_neither(stage: Stage) -> None:
    where, broken = "incident", stage.artifacts["broken"].uri
    guard = {"name": "slo", "type": "ErrorRate", "max": 0.05}
    declared = rollout(where, (30, "6s"), metrics=(ERRORS, guard))
    old = await stage.serve(where, model(where, broken), declared)
    async with stage.load(where, rate=100).flowing() as load:
        await stage.apply(model(where, broken, env={"COPY": "2"}))
        new = await stage.until_tried(where, load, stable=old)
        load.missing = 3  # what both versions fail for
        found = await stage.until(shared_cause, ROLLOUTS, where)
        assert "both arms" in condition(found, "Ready")["message"]
        assert await stage.envoy_weights(where) == {old: 70, new: 30}
        load.missing = None
        await stage.until_phase("Healthy", where)
        await settled(stage, where, load, stable=new)
    assert not (await stage.model(where))["status"]["delivery"].get("rejected")
    assert load.failed(old) > 0
    assert load.failed(new) > 0


def shared_cause(found: Obj) -> bool:
    """Whether it holds because both arms are bad."""
    return bool(found["status"].get("hold", {}).get("reason") == "CommonCause")


@together
async def test_a_slow_version_is_taken_back(stage: Stage) -> None:
    where = "slow"
    stable = await stage.serve(
        where,
        model(where, stage.artifacts["good"].uri),
        rollout(where, (10, "1m"), (50, "1m"), metrics=(LATENCY,)),
    )
    async with stage.load(where, rate=100).flowing() as load:
        await stage.apply(model(where, stage.artifacts["slow"].uri))
        candidate = await stage.until_tried(where, load, stable=stable, requests=1)
        message = await rolled_back(stage, where, stable=stable, candidate=candidate)
        await settled(stage, where, load, stable=stable)
    assert "latency" in message
    assert load.failed(candidate) == 0
    assert load.untouched(stable, candidate), load.story()


@pytest.mark.scenario("DE-01")
@together
async def test_a_rollout_deleted_mid_canary_gives_everything_back_to_stable(stage: Stage) -> None:
    where = "deleted"
    stable = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, (50, "10m"))
    )
    async with stage.load(where, rate=50).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        candidate = await stage.until_tried(where, load, stable=stable)
        assert await stage.envoy_weights(where) == {stable: 50, candidate: 50}
        await stage.kubectl("delete", "rollouts.tidegate.dev", "weather", "-n", where)
        ready = await stage.until_ready_is("RolloutMissing", where)
        await settled(stage, where, load, stable=stable)
    assert "create a Rollout" in ready["message"]
    assert load.untouched(stable, candidate), load.story()
    found = await stage.model(where)
    assert condition(found, "Available")["status"] == "True"
    assert condition(found, "RolloutMissing")["status"] == "True"
    assert found["status"]["delivery"]["stable"] == stable


@pytest.mark.scenario("SU-01")
@together
async def test_what_is_asked_for_mid_canary_replaces_the_candidate(stage: Stage) -> None:
    where = "superseded"
    stable = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, (50, "10m"))
    )
    async with stage.load(where, rate=50).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        first = await stage.until_tried(where, load, stable=stable)
        await stage.apply(
            model(where, stage.artifacts["best"].uri), rollout(where, (20, "5s"), name="second")
        )
        await stage.until(lambda r: r["status"].get("attempts") == 2, ROLLOUTS, where)
        second = await stage.until_tried(where, load, stable=stable)
        assert second != first
        assert await stage.envoy_weights(where) == {stable: 50, second: 50}
        idle = await stage.until(
            lambda r: condition(r, "Stalled").get("reason") == "DuplicateRollout",
            *(ROLLOUTS, where),
            name="second",
        )
    assert "delete one of them" in condition(idle, "Ready")["message"]
    assert load.untouched(stable, first, second), load.story()
    found = await stage.rollout(where)
    reasons = [entry["reason"] for entry in found["status"]["history"]]
    assert "Superseded" in reasons
    delivery = (await stage.model(where))["status"]["delivery"]
    assert (delivery["stable"], delivery["candidate"]) == (stable, second)
    assert not delivery.get("rejected")


@together
async def test_an_artifact_that_cannot_be_reached_is_served_once_it_can(stage: Stage) -> None:
    where, port = "remote", free_port()
    good = stage.artifacts["good"]
    uri = f"http://127.0.0.1:{port}/model.skops"
    remote = model(where, uri, delivery="Direct", credentialsRef={"name": "reader"})
    await stage.apply(*namespace(where), secret(where, "reader", token="s3cret"), remote)
    ready = await stage.until_ready_is("Unreachable", where)
    assert uri in ready["message"], ready
    assert condition(await stage.model(where), "Resolved")["status"] == "Unknown"

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("authorization") != "Bearer s3cret":
            return web.Response(status=401)
        return web.FileResponse(good.path, headers={"etag": f'"{good.sha256}"'})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await stage.kubectl(
            "wait", "models.tidegate.dev/weather", "-n", where,
            "--for=condition=Ready", "--timeout=55s",
        )  # fmt: skip
    finally:
        await listening.end(runner)
    found = await stage.model(where)
    assert found["status"]["resolved"]["sha256"] == good.sha256, shown(found["status"])


@together
async def test_an_artifact_on_a_claim_is_served(stage: Stage) -> None:
    where, good = "claimed", stage.artifacts["good"]
    claim = stage.state.node / "claims" / where / "models"
    claim.mkdir(parents=True)
    shutil.copy(good.path, claim / "v1.skops")
    documents = [*namespace(where), volume_claim(where, "models")]
    spec = model(where, "pvc://models/v1.skops", delivery="Direct", sha256=good.sha256)
    await stage.serve(where, *documents, spec)
    found = await stage.model(where)
    assert found["status"]["resolved"]["location"] == "pvc://models/v1.skops"


SKOPS = "flavors: {sklearn: {pickled_model: model.skops, serialization_format: skops}}\n"
PICKLE = "flavors: {sklearn: {pickled_model: model.skops, serialization_format: cloudpickle}}\n"


@together
async def test_a_folder_on_a_claim_is_served_only_where_it_is_signed_and_no_pickle(
    stage: Stage,
) -> None:
    where = "signed"
    claim = stage.state.node / "claims" / where / "models"
    for name, described in (("v1", SKOPS), ("v2", PICKLE)):
        (claim / name).mkdir(parents=True)
        shutil.copy(stage.artifacts["good"].path, claim / name / "model.skops")
        (claim / name / "MLmodel").write_text(described)
        sign_folder(claim / name)

    def asked(name: str, key: str) -> Obj:
        pinned: Obj = {"format": "mlflow", "sha256": folder_digest(claim / name)}
        signers: Obj = {"publicKeys": [key]}
        uri = f"pvc://models/{name}/"
        return model(where, uri, delivery="Direct", signedBy=signers, **pinned)

    claims = [*namespace(where), volume_claim(where, "models")]
    stable = await stage.serve(where, *claims, asked("v1", pem(KEY)))
    for wrong, reason in (
        (asked("v1", P256), "SigningInvalid"),
        (asked("v2", pem(KEY)), "FormatUnsafe"),
    ):
        await stage.apply(wrong)

        def refused(found: Obj, reason: str = reason) -> bool:
            return condition(found, "Verified").get("reason") == reason

        found = await stage.until(refused, MODELS, where)
        said = condition(found, "Verified")
        assert said["status"] == "False"
        assert "container fetch" in said["message"], said
        assert found["status"]["delivery"]["stable"] == stable
        assert await stage.envoy_weights(where) == {stable: 100}
