"""Which resource an object is of, as the API server itself says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tidegate.errors import Terminal
from tidegate.kube.failures import error_of
from tidegate.kube.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.client import Client

_TIMEOUT_S = 10.0


class Discovery:
    """Asks once for each group and version."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, Resource]] = {}

    async def resource_of(self, obj: Mapping[str, Any]) -> Resource:
        """The resource of an object. Raises KubeError, Terminal(UnknownKind)."""
        api_version, kind = str(obj["apiVersion"]), str(obj["kind"])
        if api_version not in self._known:
            self._known[api_version] = await self._ask(api_version)
        found = self._known[api_version].get(kind)
        if found is None:
            raise Terminal("UnknownKind", f"the cluster does not serve {kind} in {api_version}")
        return found

    async def _ask(self, api_version: str) -> dict[str, Resource]:
        group, slash, version = api_version.rpartition("/")
        path = f"/apis/{api_version}" if slash else f"/api/{api_version}"
        answer = await self._client.transport.request(
            "GET", path, params={}, headers={}, body=None, timeout=_TIMEOUT_S
        )
        if answer.status != 200:
            raise error_of(answer.status, headers=answer.headers, body=answer.body, what=path)
        return {
            each["kind"]: Resource(group, version, each["name"], each["kind"], each["namespaced"])
            for each in orjson.loads(answer.body)["resources"]
            if "/" not in each["name"]
        }
