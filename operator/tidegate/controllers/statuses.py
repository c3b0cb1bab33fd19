"""Writing a status by server-side apply: each controller its own fields, on what it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import name_of, namespace_of, resource_version_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache


class StatusWriter:
    """Writes the fields that one controller owns, as the field manager `manager`."""

    def __init__(self, client: Client, cache: Cache, *, manager: str) -> None:
        self._client = client
        self._cache = cache
        self._manager = manager

    async def write(self, res: Resource, obj: Object, status: Mapping[str, Any]) -> Object:
        """Apply a status, without fields that are None; returns the object as it stands then.

        With the resourceVersion of `obj`, from which the decision was made: a leader that woke up
        late, or a decision on stale facts, is refused (Conflict) and made again.
        """
        metadata = {
            "name": name_of(obj),
            "namespace": namespace_of(obj),
            "uid": uid_of(obj),
            "resourceVersion": resource_version_of(obj),
        }
        said = {key: value for key, value in status.items() if value is not None}
        body = {
            "apiVersion": res.api_version,
            "kind": res.kind,
            "metadata": metadata,
            "status": said,
        }
        written = await self._client.apply_status(res, body, manager=self._manager)
        self._cache.note(res, written)
        return written
