"""Takes back what a scenario created on a real cluster, so that the next one can start."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.conformance import polls

if TYPE_CHECKING:
    from types import TracebackType

    from tests.conformance.cases import Scenario
    from tests.conformance.replay import Replay

_CLEAR = {"Content-Type": "application/merge-patch+json"}


class Undo:
    """Deletes, last first, every object that a scenario asked to create by name."""

    def __init__(self, replay: Replay, scenario: Scenario) -> None:
        self._replay = replay
        self._scenario = scenario

    async def __aenter__(self) -> Undo:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in reversed(self._paths()):
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._remove(path)

    def _paths(self) -> list[str]:
        """The paths of what was created, each once."""
        found: dict[str, None] = {}
        for case in self._scenario.cases:
            for raw in (case.raw, *(case.raw.get("during") or ())):
                path = _created(self._replay.request(raw) if "path" in raw else {})
                if path:
                    found[path] = None
        return list(found)

    async def _remove(self, path: str) -> None:
        send = self._replay.wire.send
        clear = {"metadata": {"finalizers": None}}
        ours = {"path": path, "as_recorder": True}
        await send({**ours, "method": "PATCH", "headers": _CLEAR, "body": clear})
        await send({**ours, "method": "DELETE"})
        gone = {"status": 404}
        await polls.until(lambda: send({**ours, "method": "GET"}), gone, self._replay.target)


def _created(request: dict[str, Any]) -> str:
    path, body = str(request.get("path", "")), request.get("body")
    if request.get("method") == "PATCH" and path.count("/") > 4:
        applied = "apply" in str((request.get("headers") or {}).get("Content-Type"))
        return path if applied and not path.endswith(("/status", "/scale")) else ""
    if request.get("method") != "POST" or not isinstance(body, dict):
        return ""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{path}/{name}" if isinstance(name, str) else ""
