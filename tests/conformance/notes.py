"""What a note asks of whoever replays it: most tell something, some stand for a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.conformance.compare import Rules, differences

if TYPE_CHECKING:
    from tests.conformance.cases import Case, Scenario
    from tests.conformance.replay import Replay

_RECEIVED = "-webhook-received"
_LARGE = re.compile(r"POST a ConfigMap of ([\d.]+) MB")


class Notes:
    """Takes the notes of one scenario."""

    def __init__(self, replay: Replay, scenario: Scenario) -> None:
        self._replay = replay
        self._names = {case.name for case in scenario.cases if case.kind != "note"}

    async def take(self, case: Case) -> list[str]:
        """Do what a note stands for, and say where the outcome differs."""
        raw = case.raw
        if "capture_header" in raw:
            return self._capture_header(case)
        if "webhook_received" in raw:
            return self._received(case)
        text = str(raw.get("note") or "")
        if "etcd compacted" in text:
            return await self._compact()
        if "path" in raw:
            return await self._request(case)
        if large := _LARGE.match(text):
            return await self._large(case, float(large[1]))
        return []

    def _capture_header(self, case: Case) -> list[str]:
        answer = self._replay.last
        for name, header in case.raw["capture_header"].items():
            value = answer.headers.get(header) if answer else None
            if value is None:
                return [f"header {header}: missing"]
            self._replay.variables[name] = value
        return []

    def _received(self, case: Case) -> list[str]:
        got = self._replay.webhook.take()
        if case.name.removesuffix(_RECEIVED) not in self._names:
            # The request that the webhook heard of is not among the cases.
            return []
        expected = self._replay.fill(case.raw["webhook_received"])
        return differences(expected, got, Rules(case.volatile, case.optional))

    async def _compact(self) -> list[str]:
        compact = self._replay.target.compact
        if compact is None:
            return ["the history of this server cannot be compacted over its API"]
        await compact(int(self._replay.variables["rvn"]))
        return []

    async def _request(self, case: Case) -> list[str]:
        request = self._replay.request(case.raw)
        if request["method"] == "PATCH" and not request["headers"]:
            request["headers"] = {"Content-Type": "application/merge-patch+json"}
        answer = await self._replay.wire.send(request)
        if answer.status >= 300:
            return [f"status: expected success, got {answer.status}: {answer.text[:200]}"]
        return []

    async def _large(self, case: Case, megabytes: float) -> list[str]:
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "huge"},
            "data": {"k": "x" * int(megabytes * 1_000_000)},
        }
        request: dict[str, Any] = {
            "as_recorder": True,
            "method": "POST",
            "path": "/api/v1/namespaces/default/configmaps",
            "headers": {"Content-Type": "application/json"},
            "body": obj,
        }
        return self._replay.answer_differences(case, await self._replay.wire.send(request))
