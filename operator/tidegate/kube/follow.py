"""Follows a collection for ever: list, watch, list again when the watch cannot go on.

Gives each change to a callback, in order, and tells what vanished while nobody looked. It keeps
the versions of the objects that it has shown, not the objects. It decides nothing.
"""

from __future__ import annotations

import random
from contextlib import aclosing
from typing import TYPE_CHECKING

from tidegate.errors import Gone, KubeError
from tidegate.kube.client import Client, WatchEvent
from tidegate.kube.objects import name_of, namespace_of, resource_version_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

type OnEvent = Callable[[WatchEvent], Awaitable[None]]

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 30.0
_FAILURES_TO_RELIST = 3


async def follow(
    client: Client,
    res: Resource,
    *,
    on_event: OnEvent,
    namespace: str | None = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
    on_listed: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Call `on_event` for every object that is there, then for every change, until cancelled.

    The first sight of an object is ADDED. After a gap (410, a lost connection) the list is
    compared with what was shown before: objects that vanished come as DELETED (with the identity
    and version last seen), changed ones as MODIFIED, unchanged ones not at all. `on_listed` is
    called after each list has been handed over. Errors of the API server are waited out with
    back-off and jitter (0.1 s to 30 s, Retry-After obeyed); errors of the callbacks are raised.
    """
    follower = _Follower(client, res, on_event)
    failures = 0
    while True:
        try:
            if follower.resource_version is None:
                await follower.list(namespace, label_selector, field_selector)
                if on_listed is not None:
                    await on_listed()
            await follower.watch(namespace, label_selector, field_selector)
            failures = 0
            await client.clock.sleep(_FIRST_WAIT_S)
        except Gone:
            follower.resource_version = None
        except KubeError as error:
            failures = 0 if follower.heard else failures + 1
            if failures >= _FAILURES_TO_RELIST:
                # A server that was reset does not know our version, and may never say Gone.
                follower.resource_version = None
            await client.clock.sleep(_wait(failures, getattr(error, "retry_after", None)))


def _wait(failures: int, retry_after: float | None) -> float:
    longest = min(_FIRST_WAIT_S * 2.0**failures, _LONGEST_WAIT_S)
    return max(random.uniform(longest / 2, longest), retry_after or 0.0)


class _Follower:
    def __init__(self, client: Client, res: Resource, on_event: OnEvent) -> None:
        self._client = client
        self._res = res
        self._on_event = on_event
        self._seen: dict[tuple[str | None, str], Object] = {}
        self.resource_version: str | None = None
        self.heard = False

    async def list(
        self, namespace: str | None, label_selector: str | None, field_selector: str | None
    ) -> None:
        """Show what is new, changed or gone since the last look."""
        self.heard = False
        listing = await self._client.list(
            self._res,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        current = {(namespace_of(obj), name_of(obj)): obj for obj in listing.items}
        for key in [key for key in self._seen if key not in current]:
            await self._show(WatchEvent("DELETED", self._seen[key]))
        for key, obj in current.items():
            before = self._seen.get(key)
            if before is None:
                await self._show(WatchEvent("ADDED", obj))
            elif resource_version_of(before) != resource_version_of(obj):
                await self._show(WatchEvent("MODIFIED", obj))
        self.resource_version = listing.resource_version

    async def watch(
        self, namespace: str | None, label_selector: str | None, field_selector: str | None
    ) -> None:
        """Show changes until the server ends the stream."""
        self.heard = False
        stream = self._client.watch(
            self._res,
            namespace=namespace,
            resource_version=self.resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        async with aclosing(stream) as events:
            async for event in events:
                self.heard = True
                if event.type != "BOOKMARK":
                    await self._show(event)
                self.resource_version = resource_version_of(event.object)

    async def _show(self, event: WatchEvent) -> None:
        """Remember that it was shown only after it was: a failing callback sees it again."""
        key = (namespace_of(event.object), name_of(event.object))
        await self._on_event(event)
        if event.type == "DELETED":
            self._seen.pop(key, None)
        else:
            self._seen[key] = _identity(event.object)


def _identity(obj: Object) -> Object:
    """Keep what tells one version of an object from another, and its owners and labels."""
    kept = ("name", "namespace", "uid", "resourceVersion", "labels", "ownerReferences")
    metadata = obj.get("metadata", {})
    return {
        "apiVersion": obj.get("apiVersion", ""),
        "kind": obj.get("kind", ""),
        "metadata": {key: metadata[key] for key in kept if key in metadata},
    }
