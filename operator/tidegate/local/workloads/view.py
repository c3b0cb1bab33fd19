"""What a controller sees and does: reads from the mirror, writes through to it.

The one place where workload controllers write. It decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.errors import NotFound
from tidegate.kube.objects import controller_of, is_being_deleted, name_of, namespace_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.local.workloads.mirror import Mirror

MANAGER = "kube-controller-manager"


class View:
    """Reads of `mirror`, writes by `client` in the name of the controller manager."""

    def __init__(self, client: Client, mirror: Mirror, events: Recorder) -> None:
        self._client = client
        self._events = events
        self.mirror = mirror
        self.clock: Clock = client.clock

    async def create(self, res: Resource, obj: Object) -> Object:
        """Create. Raises AlreadyExists."""
        return self.mirror.seen(res, await self._client.create(res, obj, manager=MANAGER))

    async def patch(self, res: Resource, obj: Object, body: Mapping[str, Any]) -> Object:
        """Merge-patch `obj`; Conflict if another object has its name now."""
        metadata = {**body.get("metadata", {}), "uid": uid_of(obj)}
        answer = await self._client.patch(
            res,
            name_of(obj),
            {**body, "metadata": metadata},
            namespace=namespace_of(obj),
            manager=MANAGER,
        )
        return self.mirror.seen(res, answer)

    async def replace(
        self, res: Resource, obj: Object, *, subresource: str | None = None
    ) -> Object:
        """Replace what `obj` was read as; Conflict if it has changed since."""
        answer = await self._client.replace(res, obj, manager=MANAGER, subresource=subresource)
        return self.mirror.seen(res, answer)

    async def report(self, res: Resource, obj: Object, status: Object) -> Object:
        """Write `status` if it differs from what stands there."""
        if obj.get("status") == status:
            return obj
        return await self.replace(res, {**obj, "status": status}, subresource="status")

    async def delete(self, res: Resource, obj: Object) -> None:
        """Delete `obj`, if it is still there."""
        try:
            await self._client.delete(
                res, name_of(obj), namespace=namespace_of(obj), uid=uid_of(obj)
            )
        except NotFound:
            return
        self.mirror.leaving(res, obj)

    async def adopt(self, res: Resource, obj: Object, reference: Object) -> Object:
        """Make an orphan one's own."""
        owners = [*(obj["metadata"].get("ownerReferences") or []), reference]
        return await self.patch(res, obj, {"metadata": {"ownerReferences": owners}})

    async def tell(
        self, regarding: Object, *, reason: str, note: str, warning: bool = False
    ) -> None:
        """Record an event."""
        await self._events.emit(
            regarding,
            type="Warning" if warning else "Normal",
            reason=reason,
            note=note,
            action=reason,
        )


def is_orphan(obj: Object) -> bool:
    """Tell whether nobody controls `obj` and it is not going away, so that it may be adopted."""
    return controller_of(obj) is None and not is_being_deleted(obj)
