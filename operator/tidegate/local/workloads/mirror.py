"""A local copy of some kinds, kept by list and watch, that already contains one's own writes.

Controllers decide on it instead of asking the server each time. A controller that acts on what the
copy said before its last write would make the same pod twice, so `seen` and `leaving` put a
write's outcome in at once, and an older event never takes it out again. Objects are shared: whoever
reads one must not change it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from tidegate.kube.follow import follow
from tidegate.kube.objects import (
    controller_of,
    is_being_deleted,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.kube.client import Client, WatchEvent
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

type OnChange = Callable[[Object], None]
"""Called with the newest version of an object, or the last one of an object that is gone."""

_REMEMBERED_GONE = 4096


class Mirror:
    """The objects of `resources`, of all namespaces."""

    def __init__(self, client: Client, resources: Sequence[Resource]) -> None:
        self._client = client
        self._objects: dict[Resource, dict[str, dict[str, Object]]] = {
            res: defaultdict(dict) for res in resources
        }
        self._listeners: dict[Resource, list[OnChange]] = defaultdict(list)
        self._unlisted = set(resources)
        self._leaving: set[str] = set()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._synced = asyncio.Event()

    def on_change(self, res: Resource, listener: OnChange) -> None:
        """Call `listener` for every change of that kind from now on."""
        self._listeners[res].append(listener)

    async def run(self) -> None:
        """Follow all kinds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for res in self._objects:
                tasks.create_task(self._follow(res), name=f"mirror {res}")

    async def synced(self) -> None:
        """Wait until every kind has been listed once: before that nothing may be concluded."""
        await self._synced.wait()

    def get(self, res: Resource, namespace: str | None, name: str) -> Object | None:
        """Return the object, or None."""
        return self._objects[res].get(namespace or "", {}).get(name)

    def every(self, res: Resource, namespace: str | None = None) -> list[Object]:
        """Return the objects of one namespace, or all."""
        kept = self._objects[res]
        if namespace is not None:
            return list(kept.get(namespace, {}).values())
        return [obj for objects in kept.values() for obj in objects.values()]

    def owned(self, res: Resource, owner: Object) -> list[Object]:
        """Return the objects of that kind whose controller is `owner`."""
        return [
            obj
            for obj in self.every(res, namespace_of(owner))
            if (controller := controller_of(obj)) and controller.get("uid") == uid_of(owner)
        ]

    def seen(self, res: Resource, obj: Object) -> Object:
        """Take in what the server answered to a write, and return it."""
        self._put(res, obj)
        return obj

    def leaving(self, res: Resource, obj: Object) -> None:
        """Take in that the server accepted the deletion of `obj`."""
        self._leaving.add(uid_of(obj))
        current = self.get(res, namespace_of(obj), name_of(obj))
        if current is not None and uid_of(current) == uid_of(obj):
            self._store(res, current)

    async def _follow(self, res: Resource) -> None:
        async def on_event(event: WatchEvent) -> None:
            if event.type == "DELETED":
                self._drop(res, event.object)
            else:
                self._put(res, {"apiVersion": res.api_version, "kind": res.kind, **event.object})

        async def on_listed() -> None:
            self._unlisted.discard(res)
            if not self._unlisted:
                self._synced.set()

        await follow(self._client, res, on_event=on_event, on_listed=on_listed)

    def _put(self, res: Resource, obj: Object) -> None:
        if uid_of(obj) in self._gone:
            return
        current = self.get(res, namespace_of(obj), name_of(obj))
        if current is not None and _version(current) >= _version(obj):
            return
        self._notify(res, self._store(res, obj))

    def _store(self, res: Resource, obj: Object) -> Object:
        if uid_of(obj) in self._leaving and not is_being_deleted(obj):
            # The event of an earlier write, come late: the deletion stands.
            metadata = obj["metadata"]
            since = metadata.get("creationTimestamp", "")
            obj = {**obj, "metadata": {**metadata, "deletionTimestamp": since or "deleted"}}
        self._objects[res][namespace_of(obj) or ""][name_of(obj)] = obj
        return obj

    def _drop(self, res: Resource, obj: Object) -> None:
        uid = uid_of(obj)
        self._gone[uid] = None
        if len(self._gone) > _REMEMBERED_GONE:
            self._gone.popitem(last=False)
        self._leaving.discard(uid)
        kept = self._objects[res].get(namespace_of(obj) or "", {})
        current = kept.get(name_of(obj))
        if current is not None and uid_of(current) == uid:
            del kept[name_of(obj)]
            self._notify(res, current)

    def _notify(self, res: Resource, obj: Object) -> None:
        for listener in self._listeners[res]:
            listener(obj)


def _version(obj: Object) -> int:
    """The local server counts its versions, for the whole store; so they can be compared."""
    version = resource_version_of(obj)
    return int(version) if version.isdigit() else 0
