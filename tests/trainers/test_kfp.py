"""Trainings as Kubeflow pipeline runs, against a server of its REST API."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAME, NAMESPACE, Site, condition

from tidegate.kube.resources import MODELS
from tidegate.testing.kube import FakeKube
from tidegate.testing.pipelines import Pipelines, pipelines
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        found = Site(kube)
        yield found
        await found.harness.close()


async def declare(site: Site, server: Pipelines, **given: Any) -> None:
    kfp = {
        "endpoint": server.url,
        "pipelineID": "p",
        "pipelineVersionID": "v",
        "experimentID": "e",
        "parameters": {"tidegate_training": "", "seed": "1"},
        **given,
    }
    await site.kube.put(direct("https://models/v1", training={"jobFrom": {"kfp": kfp}}))
    await ask(site)


async def ask(site: Site, id_: str = "1") -> None:
    body = {"metadata": {"annotations": {"tidegate.dev/retrain": json.dumps({"id": id_})}}}
    await site.kube.user.patch(MODELS, NAME, body, namespace=NAMESPACE, manager="ann")


async def run(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = (await site.model())["status"]["training"]["runs"][0]
    return found


async def test_a_run_is_made_followed_and_ends(site: Site) -> None:
    async with pipelines() as server:
        await declare(site, server)
        await site.harness.settle()
        made = server.runs["run-1"]
        assert made["pipeline_version_reference"] == {
            "pipeline_id": "p", "pipeline_version_id": "v",
        }  # fmt: skip
        assert made["runtime_config"]["parameters"] == {
            "tidegate_training": f"{NAMESPACE}/{NAME}/1", "seed": "1",
        }  # fmt: skip
        assert made["experiment_id"] == "e"
        assert (await run(site))["runId"] == "run-1"
        server.state("run-1", "RUNNING")
        await site.harness.advance(timedelta(seconds=31))
        assert (await run(site))["phase"] == "Running"
        server.state("run-1", "SUCCEEDED")
        await site.harness.advance(timedelta(seconds=31))
        assert (await run(site))["phase"] == "Succeeded"


async def test_a_run_that_fails_says_why(site: Site) -> None:
    async with pipelines() as server:
        await declare(site, server)
        await site.harness.settle()
        server.state("run-1", "FAILED", "no such column: dep_delay")
        await site.harness.advance(timedelta(seconds=31))
        assert "no such column" in (await run(site))["message"]
        await site.harness.advance(timedelta(seconds=31))
        assert len(server.runs) == 2, "it is tried once more"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_write_makes_no_second_run(site: Site, after: bool) -> None:
    async with pipelines() as server:
        await declare(site, server)
        await site.harness.settle()
        for number in range(2, 20):
            server.state(f"run-{number - 1}", "SUCCEEDED")
            await site.harness.advance(timedelta(seconds=31))
            await ask(site, str(number))
            kill = site.kube.transport.kill_after if after else site.kube.transport.kill_before
            kill(number - 1)
            killed = False
            try:
                await site.harness.settle()
            except Killed:
                killed = True
                await site.harness.close()
                site.harness.restart()
                await site.harness.settle()
            site.kube.transport.heal()
            assert len(server.runs) == number
            if not killed:
                break
        assert number >= 4


async def test_an_answer_that_is_lost_makes_no_second_run(site: Site) -> None:
    async with pipelines(lost=1) as server:
        await declare(site, server)
        await site.harness.settle()
        await site.harness.advance(timedelta(minutes=2))
        assert len(server.runs) == 1
        assert (await run(site))["phase"] == "Running"


async def test_a_server_that_is_away_is_asked_again(site: Site) -> None:
    async with pipelines(down=True) as server:
        await declare(site, server)
        await site.harness.settle()
        await site.harness.advance(timedelta(minutes=1))
        assert (await run(site))["phase"] == "Pending"
        server.down = False
        await site.harness.advance(timedelta(minutes=6))
        assert len(server.runs) == 1


async def test_the_token_of_the_secret_is_sent_and_shown_nowhere(site: Site) -> None:
    token = "pipelines-token-which-nobody-may-see"
    async with pipelines(token=token) as server:
        await declare(site, server, credentialsRef={"name": "kfp"})
        await site.harness.settle()
        said = condition(await site.model(), "Trained")
        assert said["reason"] == "CredentialsMissing"
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "kfp", "namespace": NAMESPACE},
            "data": {"token": base64.b64encode(b"wrong").decode()},
        }
        await site.kube.put(secret)
        await ask(site, "1b")
        await site.harness.settle()
        said = condition(await site.model(), "Trained")
        assert said["reason"] == "HostForbidden"
        assert "kubectl annotate secret kfp tidegate.dev/hosts=127.0.0.1:" in said["message"]
        secret["metadata"]["annotations"] = {"tidegate.dev/hosts": "127.0.0.1"}
        await site.kube.put(secret)
        await ask(site, "2")
        await site.harness.settle()
        assert condition(await site.model(), "Trained")["reason"] == "PipelineForbidden"
        secret["data"] = {"token": base64.b64encode(token.encode()).decode()}
        await site.kube.put(secret)
        await ask(site, "3")
        await site.harness.settle()
        assert len(server.runs) == 1
        assert token not in json.dumps(await site.model())


async def test_ids_that_the_server_refuses_are_said_with_its_words(site: Site) -> None:
    async with pipelines(known=("other",)) as server:
        await declare(site, server)
        await site.harness.settle()
        said = condition(await site.model(), "Trained")
        assert said["reason"] == "PipelineRefused"
        assert "pipeline version not found" in said["message"]
