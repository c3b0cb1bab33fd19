"""Runtimes that are not our server, end to end: an arm is an arm, judged by its own counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from tests.e2e.objects import ERRORS, hostname, model, rollout
from tests.e2e.stage import E2E, Stage, Together
from tests.serving.contract import ROOT

from tidegate import __version__
from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = E2E
together = Together(at_once=2)

SELDON_ROWS = {"data": {"ndarray": [[3.0, 0.0]]}}
SMALL_SERVER = (ROOT / "tests" / "serving" / "small_server.py").read_text()
SMALL_ROWS = {"rows": [[3.0, 0.0]]}


@asynccontextmanager
async def asked(stage: Stage, where: str, path: str, body: Any) -> AsyncIterator[Counter[int]]:
    """Somebody asks a Model all the time; statuses by how often they came."""
    statuses: Counter[int] = Counter()
    url = f"http://127.0.0.1:{stage.gateway_port}{path}"
    headers = {"host": hostname(where), "content-type": "application/json"}

    async def ask() -> None:
        while True:
            async with stage.http.post(url, data=orjson.dumps(body), headers=headers) as answer:
                statuses[answer.status] += 1
                await answer.read()
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        callers = [tasks.create_task(ask()) for _ in range(2)]
        yield statuses
        for caller in callers:
            caller.cancel()


async def promoted_by_its_own_counters(
    stage: Stage, where: str, runtime: dict[str, Any], newer: dict[str, Any], path: str, body: Any
) -> None:
    """A revision is promoted on what its pods count, and nobody is refused meanwhile."""
    first = model(where, stage.artifacts["good"].uri)
    first["spec"]["runtime"] = runtime
    if "custom" in runtime:
        first["spec"]["artifact"]["format"] = "custom"
    judged = rollout(where, (50, "2s"), metrics=(ERRORS,))
    judged["spec"]["analysis"] |= {"source": "Server", "sourceReason": "a test"}
    stable = await stage.serve(where, first, judged)
    async with asked(stage, where, path, body) as statuses:
        await stage.apply({**first, "spec": {**first["spec"], "runtime": newer}})
        found = await stage.until(
            lambda each: (
                each["status"]["delivery"]["stable"] != stable
                and each["status"]["delivery"].get("candidate") is None
            ),
            *(MODELS, where),
        )
        assert found["status"]["delivery"]["previous"] == stable
        await stage.until_envoy_gives_all_to(found["status"]["delivery"]["stable"], where)
    assert set(statuses) == {200}, statuses


@together
async def test_seldons_wrapper_is_delivered_like_any_other_server(stage: Stage) -> None:
    few, more = {"seldon": {"threads": 2}}, {"seldon": {"threads": 3}}
    await promoted_by_its_own_counters(
        stage, "seldons", few, more, "/api/v1.0/predictions", SELDON_ROWS
    )


@together
async def test_an_image_of_others_is_delivered_by_its_mapped_counters(stage: Stage) -> None:
    def small(version: str) -> dict[str, Any]:
        return {
            "custom": {
                "image": f"tidegate/runtime-v2:{__version__}",
                "command": ["python", "-c", SMALL_SERVER],
                "args": ["9000", "9001"],
                "env": [{"name": "VERSION", "value": version}],
                "port": 9000,
                "readyPath": "/ready",
                "drain": "2s",
                "metrics": {
                    "port": 9001,
                    "requests": [
                        {
                            "name": "small_answers_total",
                            "codeLabel": "status",
                            "labels": [{"name": "route", "value": "/predict"}],
                        }
                    ],
                },
            }
        }

    await promoted_by_its_own_counters(
        stage, "customs", small("1"), small("2"), "/predict", SMALL_ROWS
    )
