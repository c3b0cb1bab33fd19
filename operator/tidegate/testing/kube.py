"""An API server in memory, with our kinds installed, and clients of it.

    async with FakeKube.start() as kube:
        await kube.put(yaml_document_as_dict)
        model = await kube.user.get(MODELS, "flight-delay", namespace="demo")

It is the server of the embedded cluster without its HTTP front: schemas, CEL rules, server-side
apply and garbage collection are real. Its time is a `FakeClock`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from tidegate.api import crd
from tidegate.errors import AlreadyExists
from tidegate.kube.client import Client
from tidegate.kube.objects import name_of, namespace_of
from tidegate.kube.requests import MERGE_PATCH
from tidegate.kube.resources import CRDS, NAMESPACES, resource
from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.testing.clock import FakeClock
from tidegate.testing.transport import FaultyTransport, InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource


@cache
def _definition(kind: crd.Kind) -> Object:
    return crd.definition(kind)


def resource_of(obj: Object) -> Resource:
    """Return the resource of an object by its apiVersion and kind. Raises KeyError."""
    return resource(obj["apiVersion"], obj["kind"])


class FakeKube:
    """An API server with two users: the operator, whose writes are counted, and the test."""

    def __init__(self, api: ApiServer, clock: FakeClock) -> None:
        self.api = api
        self.clock = clock
        self.transport = FaultyTransport(InProcessTransport(api))
        self.client = Client(self.transport, clock=clock)
        """What the operator under test uses."""
        self.user = Client(InProcessTransport(api), clock=clock)
        """What everybody else uses: never broken, never counted."""

    @classmethod
    @asynccontextmanager
    async def start(
        cls, *, clock: FakeClock | None = None, namespace: str = "demo"
    ) -> AsyncIterator[FakeKube]:
        """Start a server with our CRDs and one namespace, and stop it at the end."""
        async with cls.over(Store.memory(), clock=clock or FakeClock()) as kube:
            for kind in crd.KINDS:
                await kube.user.apply(CRDS, _definition(kind), manager="setup")
            await kube.clock.rest()
            await kube.ensure_namespace(namespace)
            yield kube

    @classmethod
    @asynccontextmanager
    async def over(cls, store: Store, *, clock: FakeClock) -> AsyncIterator[FakeKube]:
        """Start a server over what is stored, such as a copy of another's, and stop it at the
        end."""
        api = ApiServer(store, users={ADMIN_TOKEN: ADMIN}, clock=clock.now)
        await api.start()
        try:
            yield cls(api, clock)
        finally:
            await api.stop()

    @property
    def revision(self) -> int:
        """Of the newest write, whoever made it: nothing is new while it stays."""
        return self.api.store.revision

    async def ensure_namespace(self, name: str) -> None:
        """Create a namespace unless it exists."""
        with suppress(AlreadyExists):
            await self.user.create(NAMESPACES, {"metadata": {"name": name}}, manager="user")

    async def put(self, obj: Object, *, manager: str = "user") -> Object:
        """Apply an object of any known kind, as a user does."""
        return await self.user.apply(resource_of(obj), obj, manager=manager)

    async def edit(self, obj: Object, **spec: Any) -> Object:
        """Merge `spec` into the spec of a stored object, as a user does."""
        return await self.user.patch(
            resource_of(obj),
            name_of(obj),
            {"spec": spec},
            namespace=namespace_of(obj),
            manager="user",
        )

    async def set_status(self, obj: Object, status: Object, *, manager: str = "world") -> Object:
        """Merge into the status of a stored object, as its own controller does."""
        return await self.user.patch(
            resource_of(obj),
            name_of(obj),
            {"status": status},
            namespace=namespace_of(obj),
            manager=manager,
            content_type=MERGE_PATCH,
            subresource="status",
        )
