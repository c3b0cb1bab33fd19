"""What Envoy says of itself: which configuration it has taken, which it has rejected, and why.

Reads only. Every call has a time limit; no answer is an `Unreachable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from tidegate.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = aiohttp.ClientTimeout(total=2)
_UPDATES = (
    r"^(listener_manager\.lds|cluster_manager\.cds|http\..*\.rds\..*)"
    r"\.(version_text|update_rejected)$"
)


@dataclass(frozen=True)
class Update:
    """The state of one subscription: `lds`, `cds` or the name of a route table."""

    version: str = ""
    rejected: int = 0


class EnvoyAdmin:
    """Reads the admin interface of one Envoy on the loopback."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def updates(self) -> Mapping[str, Update]:
        """The subscriptions' states, by name. Raises Unreachable."""
        text = (await self._get("/stats", filter=_UPDATES)).decode()
        return parse_updates(text)

    async def listener_errors(self) -> Mapping[str, str]:
        """Why listeners are not served, by name: a port in use, a setting refused."""
        document = orjson.loads(await self._get("/config_dump", resource="dynamic_listeners"))
        return parse_listener_errors(document)

    async def ready(self) -> bool:
        """Whether Envoy serves its first configuration."""
        try:
            return (await self._get("/ready")).startswith(b"LIVE")
        except Unreachable:
            return False

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _get(self, path: str, **params: str) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        try:
            async with self._session.get(self.url + path, params=params) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise Unreachable(f"Envoy answered {answer.status} to {path}")
                return body
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unreachable(f"Envoy's admin interface does not answer: {error}") from error


def parse_updates(text: str) -> dict[str, Update]:
    """The lines of `/stats` for versions and rejections. Route tables go by their own name."""
    versions: dict[str, str] = {}
    rejected: dict[str, int] = {}
    for line in text.splitlines():
        stat, _, value = line.partition(": ")
        scope, _, field = stat.rpartition(".")
        name = scope.rpartition(".")[2]
        if field == "version_text":
            versions[name] = value.strip('"')
        elif field == "update_rejected":
            rejected[name] = int(value)
    return {
        name: Update(versions.get(name, ""), rejected.get(name, 0))
        for name in versions.keys() | rejected.keys()
    }


def parse_listener_errors(document: Mapping[str, Any]) -> dict[str, str]:
    """The `error_state` of every listener that has one."""
    return {
        str(each["name"]): str(each["error_state"].get("details") or "rejected")
        for each in document.get("configs") or ()
        if each.get("name") and each.get("error_state")
    }
