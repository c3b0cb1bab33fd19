"""The client of everybody: typed by `Resource`, raw objects in and out, errors by class.

It owns connections (through its transport) and the estimate of the server's clock. It does not
retry, cache or log: whoever calls knows whether a second try is right. Every call has a time limit
and raises a KubeError: NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Unauthorized, Gone,
TooManyRequests, ServerUnavailable (5xx, no answer, or none in time).

    client = Client(HttpTransport.from_environment())
    model = await client.get(MODELS, "flight-delay", namespace="demo")
    await client.apply(SERVICES, service, manager="tidegate")
    await client.close()
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from tidegate.errors import Gone, ServerUnavailable
from tidegate.kube import requests
from tidegate.kube.clock import Clock, ServerClock
from tidegate.kube.failures import error_of, error_of_status
from tidegate.kube.objects import resource_version_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from tidegate.kube.objects import Object
    from tidegate.kube.requests import ApiRequest
    from tidegate.kube.resources import Resource
    from tidegate.kube.transport import Transport

type Propagation = Literal["Background", "Foreground", "Orphan"]

PAGE_SIZE = 500
_REQUEST_TIMEOUT_S = 15.0
_LIST_TIMEOUT_S = 60.0
_WATCH_SILENCE_S = 90.0
"""Bookmarks come once a minute, so a stream that is silent for longer is dead."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one moment, and the version from which to watch on."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object as it is now (or was last)."""

    type: str
    object: Object


class Client:
    """Reads and writes objects of one API server."""

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock | None = None,
        timeout: float = _REQUEST_TIMEOUT_S,
    ) -> None:
        """`clock` replaces the server's clock (tests); `timeout` is per request, in seconds."""
        self.transport = transport
        self._server_clock = ServerClock() if clock is None else None
        self.clock: Clock = clock or self._server_clock or ServerClock()
        self._timeout = timeout

    async def get(self, res: Resource, name: str, *, namespace: str | None = None) -> Object:
        """Read one object. Raises NotFound."""
        return await self._json(requests.get(res, name, namespace=namespace))

    async def list(
        self,
        res: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing:
        """Read a collection, page by page. No namespace means all of them."""
        try:
            return await self._pages(res, PAGE_SIZE, namespace, label_selector, field_selector)
        except Gone:
            # The pages took longer than the server keeps a version: take all of them at once.
            return await self._pages(res, None, namespace, label_selector, field_selector)

    async def create(self, res: Resource, obj: Object, *, manager: str) -> Object:
        """Create an object in the namespace of its metadata. Raises AlreadyExists."""
        return await self._json(requests.create(res, obj, manager=manager))

    async def apply(
        self,
        res: Resource,
        obj: Object,
        *,
        manager: str,
        force: bool = True,
        strict: bool = False,
    ) -> Object:
        """Server-side apply: own exactly the fields of `obj`; an identical apply changes nothing.

        An absent object is created; put `metadata.uid` into `obj` when it must exist already
        (then Conflict). Without `force`, a field of another manager raises Conflict. With `strict`,
        a field that the schema does not have raises Invalid instead of being dropped.
        """
        return await self._json(
            requests.apply(res, obj, manager=manager, force=force, strict=strict)
        )

    async def apply_status(
        self, res: Resource, obj: Object, *, manager: str, force: bool = True
    ) -> Object:
        """Server-side apply of the status; everything else in `obj` is ignored. Raises NotFound."""
        return await self._json(
            requests.apply(res, obj, manager=manager, force=force, subresource="status")
        )

    async def patch(
        self,
        res: Resource,
        name: str,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        namespace: str | None = None,
        manager: str,
        content_type: str = requests.MERGE_PATCH,
        subresource: str | None = None,
    ) -> Object:
        """Patch an object, by a merge patch unless `content_type` says otherwise."""
        return await self._json(
            requests.patch(
                res,
                name,
                body,
                namespace=namespace,
                manager=manager,
                content_type=content_type,
                subresource=subresource,
            )
        )

    async def replace(
        self, res: Resource, obj: Object, *, manager: str, subresource: str | None = None
    ) -> Object:
        """Replace an object. With a resourceVersion in it, Conflict when it has changed."""
        return await self._json(
            requests.replace(res, obj, manager=manager, subresource=subresource)
        )

    async def scale(
        self, res: Resource, name: str, *, namespace: str, replicas: int, manager: str
    ) -> None:
        """Set the number of replicas by the `scale` subresource."""
        body = {"spec": {"replicas": replicas}}
        await self._json(
            requests.patch(
                res, name, body, namespace=namespace, manager=manager, subresource="scale"
            )
        )

    async def delete(
        self,
        res: Resource,
        name: str,
        *,
        namespace: str | None = None,
        propagation: Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
    ) -> None:
        """Delete an object. Raises NotFound, and Conflict when it is not the one meant."""
        await self._json(
            requests.delete(
                res,
                name,
                namespace=namespace,
                propagation=propagation,
                uid=uid,
                resource_version=resource_version,
                grace_period_seconds=grace_period_seconds,
            )
        )

    async def watch(
        self,
        res: Resource,
        *,
        namespace: str | None = None,
        resource_version: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
        bookmarks: bool = True,
    ) -> AsyncGenerator[WatchEvent]:
        """Follow a collection until the server ends the stream (after `timeout_seconds`).

        Bookmarks are yielded too: they carry the version to go on from. Raises Gone when
        `resource_version` is no longer kept: list again.
        """
        request = requests.watch(
            res,
            namespace=namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
            timeout_seconds=timeout_seconds,
            bookmarks=bookmarks,
        )
        silence = _WATCH_SILENCE_S if bookmarks else timeout_seconds + self._timeout
        stream = self.transport.stream(
            request.path, params=request.params, headers=request.headers, timeout=silence
        )
        async with stream as lines, aclosing(_events(lines, str(request))) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def _pages(
        self,
        res: Resource,
        limit: int | None,
        namespace: str | None,
        label_selector: str | None,
        field_selector: str | None,
    ) -> Listing:
        items: list[Object] = []
        token: str | None = None
        while True:
            request = requests.list_page(
                res,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                limit=limit,
                token=token,
            )
            page = await self._json(request, timeout=_LIST_TIMEOUT_S)
            # The items of a list do not repeat what they are; whoever gets one alone must know.
            kind = {"apiVersion": res.api_version, "kind": res.kind}
            items.extend({**kind, **item} for item in page.get("items") or [])
            token = page.get("metadata", {}).get("continue")
            if not token:
                return Listing(items, resource_version_of(page))

    async def _json(self, request: ApiRequest, *, timeout: float | None = None) -> Object:
        sent = self.clock.monotonic()
        response = await self.transport.request(
            request.method,
            request.path,
            params=request.params,
            headers=request.headers,
            body=request.body,
            timeout=timeout or self._timeout,
        )
        if self._server_clock is not None and (date := response.headers.get("date")):
            received = self._server_clock.monotonic()
            self._server_clock.observe(date, sent=sent, received=received)
        if response.status >= 400:
            raise error_of(
                response.status, headers=response.headers, body=response.body, what=str(request)
            )
        return _parsed(response.body, str(request))


async def _events(lines: AsyncIterator[bytes], what: str) -> AsyncGenerator[WatchEvent]:
    async for line in lines:
        document = _parsed(line, what)
        kind, obj = document.get("type"), document.get("object")
        if kind == "ERROR":
            raise error_of_status(obj if isinstance(obj, dict) else {}, what=what)
        if isinstance(kind, str) and isinstance(obj, dict):
            yield WatchEvent(kind, obj)


def _parsed(body: bytes, what: str) -> Object:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # A connection that was cut in the middle of a document looks like this.
        raise ServerUnavailable(f"{what}: the answer is not JSON", reason="BadAnswer") from error
    return found if isinstance(found, dict) else {}
