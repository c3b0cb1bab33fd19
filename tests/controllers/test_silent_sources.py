"""A source that fails while a Model serves what it was asked for: what each condition says then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.bad_input import Stand, credentials, stand
from tests.controllers.named import direct, revision_of, traffic
from tests.controllers.site import Site, condition, model
from tests.controllers.test_trial import measured, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

V1, V2 = "https://models/v1", "https://models/v2"


async def follow(at: Stand) -> str:
    """A Model that follows an alias, with a login, and serves; what serves."""
    at.answers.register("3", b"model", alias="challenger")
    at.answers.token = "s3cret"
    await credentials(at, MLFLOW_TRACKING_TOKEN="s3cret")
    asked = {"credentialsRef": {"name": "registry"}, "pollInterval": "10s"}
    await at.ask("models:/fraud@challenger", **asked)
    found = await at.site.model()
    assert condition(found, "Ready")["status"] == "True"
    return str(found["status"]["delivery"]["stable"])


def down(at: Stand) -> None:
    at.answers.down = True


def expired(at: Stand) -> None:
    at.answers.token = "renewed"


def alias_gone(at: Stand) -> None:
    at.answers.aliases.clear()


def mend(at: Stand) -> None:
    at.answers.down, at.answers.token = False, "s3cret"
    at.answers.aliases["challenger"] = "3"


@pytest.mark.parametrize(
    ("fail", "status", "reason"),
    [
        (down, "Unknown", "Unreachable"),
        (expired, "False", "ArtifactForbidden"),
        (alias_gone, "False", "ArtifactNotFound"),
    ],
)
async def test_a_model_that_serves_what_was_found_last_is_ready_while_its_source_fails(
    site: Site, tmp_path: Path, fail: Callable[[Stand], None], status: str, reason: str
) -> None:
    async with stand(site, tmp_path) as at:
        stable = await follow(at)
        fail(at)
        await site.pass_time(seconds=60)
        found = await site.model()
        resolved = condition(found, "Resolved")
        assert (resolved["status"], resolved["reason"]) == (status, reason)
        for type_ in ("Ready", "Available", "Verified"):
            assert condition(found, type_)["status"] == "True", type_
        assert condition(found, "Reconciling") == {}
        stalled = condition(found, "Stalled")
        assert stalled.get("reason") == (reason if status == "False" else None)
        assert stable in stalled.get("message", stable)
        assert await traffic(site) == {stable: 100}
        before = found["metadata"]["resourceVersion"]
        await site.pass_time(seconds=120)
        assert (await site.model())["metadata"]["resourceVersion"] == before
        mend(at)
        await site.pass_time(seconds=70)
        found = await site.model()
        assert condition(found, "Resolved")["status"] == "True"
        assert condition(found, "Stalled") == {}


def another_format(at: Stand) -> None:
    at.answers.register("4", b"another model", alias="challenger")
    at.answers.files["runs/4/MLmodel"] = b"flavors: {onnx: {data: model.onnx}}"


def without_files(at: Stand) -> None:
    at.answers.register("4", b"another model", alias="challenger")
    del at.answers.files["runs/4/model.skops"]


@pytest.mark.parametrize(
    ("move", "reason"), [(another_format, "FormatMismatch"), (without_files, "FilesMissing")]
)
async def test_a_model_whose_alias_means_another_version_now_is_not_ready_without_it(
    site: Site, tmp_path: Path, move: Callable[[Stand], None], reason: str
) -> None:
    async with stand(site, tmp_path) as at:
        stable = await follow(at)
        move(at)
        await site.pass_time(seconds=30)
        found = await site.model()
        assert condition(found, "Resolved")["reason"] == reason
        assert (condition(found, "Ready")["status"], condition(found, "Ready")["reason"]) == (
            "False", reason,
        )  # fmt: skip
        assert condition(found, "Verified")["status"] != "True"
        assert condition(found, "Stalled")["reason"] == reason
        assert condition(found, "Available")["status"] == "True"
        assert await traffic(site) == {stable: 100}


APPROVAL = {"groups": ["ml-leads"], "expires": "72h"}
GATES = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]


def governed(uri: str, **artifact: Any) -> dict[str, Any]:
    document = direct(uri, gates=GATES, approval=APPROVAL)
    del document["spec"]["artifact"]["sha256"]
    document["spec"]["artifact"] |= {"pollInterval": "10s", **artifact}
    return document


async def test_what_an_earlier_revision_has_passed_is_not_told_of_the_one_that_is_asked_for(
    site: Site,
) -> None:
    site.shelf.origins[V1] = measured(0.9)
    await put(site, direct(V1))
    found = await put(site, governed(V1))
    assert condition(found, "GatesPassed")["status"] == "True"
    assert condition(found, "Approved")["status"] == "True"  # it served before that was asked
    site.shelf.silent = True
    await site.pass_time(seconds=60)
    found = await site.model()
    assert condition(found, "GatesPassed")["status"] == "True"  # no other revision is asked for
    assert condition(found, "Ready")["status"] == "True"
    found = await put(site, governed(V2))
    for type_ in ("Resolved", "Verified", "GatesPassed", "Approved"):
        said = condition(found, type_)
        assert (said["status"], said["reason"]) == ("Unknown", "Unreachable"), type_
        assert said["observedGeneration"] == found["metadata"]["generation"]
        assert f"{V2} did not answer" in said["message"]
    assert condition(found, "Ready")["reason"] == "Unreachable"
    assert await traffic(site) == {revision_of(V1): 100}


async def test_gates_have_not_passed_before_there_is_a_revision(site: Site) -> None:
    site.shelf.silent = True
    found = await put(site, governed(V1))
    assert condition(found, "GatesPassed")["status"] == "Unknown"
    assert condition(found, "Approved")["reason"] == "Unreachable"


async def test_a_rollout_goes_on_while_the_source_is_silent(site: Site) -> None:
    await site.start()
    new = await site.ask_for(V2)
    document = model(V2)
    del document["spec"]["artifact"]["sha256"]
    await site.kube.put(document)
    await site.until("Progressing")
    site.shelf.silent = True
    await site.pass_time(seconds=70)
    found = await site.model()
    assert condition(found, "Resolved")["reason"] == "Unreachable"
    assert condition(found, "Ready")["reason"] == "Progressing"
    await site.until("Healthy")
    found = await site.model()
    assert found["status"]["delivery"]["stable"] == new
    assert condition(found, "Ready")["status"] == "True"
