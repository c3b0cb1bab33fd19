"""A real MLflow registry for these tests, and how a training job of somebody registers there.

What the mlflow package does is done by its REST API here: importing the package takes longer than
everything else.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.demo.registry import begin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp

NAME = "weather"
ALIAS = "challenger"
MLMODEL = """\
flavors: {sklearn: {pickled_model: model.skops, serialization_format: skops}}
"""


@dataclass(frozen=True)
class Registry:
    """The server, asked over HTTP."""

    url: str
    http: aiohttp.ClientSession

    async def register(self, path: Path, *, by: str, auc: float) -> str:
        """Register a model of somebody's as the next version, and move the alias to it; the
        version."""
        await self._ask("registered-models/create", {"name": NAME}, may_fail=True)
        tags = [{"key": "mlflow.user", "value": by}]
        wanted = {"experiment_id": "0", "user_id": by, "start_time": _now(), "tags": tags}
        run = (await self._ask("runs/create", wanted))["run"]["info"]
        id_, root = run["run_id"], run["artifact_uri"]
        await self._put(f"{root}/model/MLmodel", MLMODEL.encode())
        await self._put(f"{root}/model/model.skops", await asyncio.to_thread(path.read_bytes))
        measured = {"run_id": id_, "key": "roc_auc", "value": auc, "timestamp": _now(), "step": 0}
        await self._ask("runs/log-metric", measured)
        made = {"name": NAME, "source": f"{root}/model", "run_id": id_}
        version = str((await self._ask("model-versions/create", made))["model_version"]["version"])
        alias = {"name": NAME, "alias": ALIAS, "version": version}
        await self._ask("registered-models/alias", alias)
        return version

    async def _ask(self, path: str, body: dict[str, Any], *, may_fail: bool = False) -> Any:
        address = f"{self.url}/api/2.0/mlflow/{path}"
        async with self.http.post(address, json=body) as answer:
            assert answer.status == 200 or may_fail, await answer.text()
            return await answer.json()

    async def _put(self, uri: str, content: bytes) -> None:
        path = uri.removeprefix("mlflow-artifacts:/")
        address = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
        async with self.http.put(address, data=content) as answer:
            assert answer.status == 200, await answer.text()


def _now() -> int:
    return int(time.time() * 1000)


@asynccontextmanager
async def began(folder: Path, http: aiohttp.ClientSession) -> AsyncIterator[Registry]:
    """A server that answers, for as long as the block lasts."""
    server = begin(folder)
    try:
        await asyncio.to_thread(server.wait)
        yield Registry(server.url, http)
    finally:
        await asyncio.to_thread(server.end)
