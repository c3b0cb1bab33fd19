"""Keeping the route of a Model as a decision wants it, by the Model's traffic provider.

Owns which objects of which provider exist: what the provider renders is written, and what it
renders no more (a Service of new callers, the route of another provider that the Model had before)
is deleted, but not before the gateway confirms the route that does without it. A route is not sent
to Services that have no endpoints yet: whoever met them would get a 503.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.errors import NotFound, Terminal
from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
)
from tidegate.kube.resources import ENDPOINTSLICES, SERVICES, resource
from tidegate.traffic.assignment import ASSIGNMENT_LABEL
from tidegate.traffic.registry import own_kinds, route_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.controllers.children import Children
    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.domain.route import Routing
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

KIND_NOT_SERVED = "TrafficKindNotServed"
_ENDPOINTS_AGAIN = timedelta(seconds=1)


class Router:
    """Writes and deletes what traffic providers own."""

    def __init__(self, client: Client, children: Children, cache: Cache) -> None:
        self._client = client
        self._children = children
        self._cache = cache

    async def route(
        self, gathered: Gathered, decision: Decision, parent: Parent
    ) -> timedelta | None:
        """The route of one Model. Returns when to try again if it has to wait for endpoints.

        Raises Terminal (`TrafficKindNotServed`) when the cluster does not know the provider's
        kinds, or `NameTaken` as every child does.
        """
        if gathered.model.spec.traffic is None or gathered.conflict is not None:
            await self._drop(gathered.obj, keep=())
            return None
        provider, routing = gathered.provider, decision.routing
        if provider is None or routing is None or not routing.weights:
            return None  # nothing may get traffic yet; a route without backends would answer 500
        if decision.delivery.stable is None:
            return None
        attempt = decision.rollout.attempts if decision.rollout else 0
        wanted = provider.render(parent, routing=routing, attempt=attempt)
        for obj in wanted[:-1]:
            await self._write(obj, provider=provider.title, differs=False)
        if not await self._reachable(gathered, routing, wanted):
            return _ENDPOINTS_AGAIN
        differs = not _says(gathered, routing)
        await self._write(wanted[-1], provider=provider.title, differs=differs)
        if _confirmed(gathered, routing):
            await self._drop(gathered.obj, keep=wanted)
        return None

    async def drop_route(self, namespace: str, name: str) -> None:
        """Delete the route of a Model, by whichever provider; what else there is has its owner."""
        for kind in route_kinds():
            res = resource(*kind)
            route = self._cache.get(res, namespace, name)
            # KServe copies our labels to a route of that name, which goes with its own object.
            if route is not None and all(one.get("kind") == "Model" for one in owners_of(route)):
                await self._children.drop(res, route)

    async def _reachable(
        self, gathered: Gathered, routing: Routing, wanted: Iterable[Object]
    ) -> bool:
        """Whether every Service that the route starts to send new callers to has an endpoint.

        Asked only before a test begins: a weight that changes later never waits for this.
        """
        if gathered.facts.route.detours.sticky == routing.detours.sticky:
            return True
        for obj in wanted:
            revision = labels_of(obj).get(ASSIGNMENT_LABEL)
            if revision and routing.weights[revision] and not await self._has_endpoint(obj):
                return False
        return True

    async def _has_endpoint(self, service: Object) -> bool:
        """Nothing watches EndpointSlices: they are asked for once or twice a test."""
        slices = await self._client.list(
            ENDPOINTSLICES,
            namespace=namespace_of(service),
            label_selector=f"kubernetes.io/service-name={name_of(service)}",
        )
        return any(
            (endpoint.get("conditions") or {}).get("ready") is not False
            for one in slices.items
            for endpoint in one.get("endpoints") or ()
        )

    async def _write(self, obj: Object, *, provider: str, differs: bool) -> None:
        res = resource(obj["apiVersion"], obj["kind"])
        try:
            await self._children.ensure(res, obj, differs=differs)
        except NotFound as error:
            # Applying creates what is absent, so it is the kind that is not there.
            raise Terminal(
                KIND_NOT_SERVED,
                f"this cluster does not serve {res.kind} ({res.api_version}): install {provider},"
                " or choose another provider in spec.traffic",
            ) from error

    async def _drop(self, model: Object, *, keep: Iterable[Object]) -> None:
        """Delete everything of the Model's that traffic providers own, but for `keep`; routes go
        first."""
        kept = {(obj["apiVersion"], obj["kind"], name_of(obj)) for obj in keep}
        for res, obj in self._owned(model):
            known = (res.api_version, res.kind, name_of(obj)) in kept
            if not known and not is_being_deleted(obj):
                await self._children.drop(res, obj)

    def _owned(self, model: Object) -> Iterable[tuple[Resource, Object]]:
        for kind in own_kinds():
            res = resource(*kind)
            for obj in self._cache.owned_by(model, res):
                yield res, obj
        for obj in self._cache.owned_by(model, SERVICES):
            if ASSIGNMENT_LABEL in labels_of(obj):
                yield SERVICES, obj


def _confirmed(gathered: Gathered, routing: Routing) -> bool:
    """Whether the gateway confirmed exactly this routing before this look began."""
    return gathered.facts.route.programmed and _says(gathered, routing)


def _says(gathered: Gathered, routing: Routing) -> bool:
    """Whether the live route said exactly this when this look began, confirmed or not."""
    live = gathered.facts.route
    return live.weights == dict(routing.weights) and live.detours == routing.detours
