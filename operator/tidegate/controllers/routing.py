"""Keeping the route of a Model as a decision wants it, by the Model's traffic provider.

Owns which objects of which provider exist: what the provider renders is written, and what it
renders no more (a Service of new callers, the route of another provider that the Model had before)
is deleted, but not before the gateway confirms the route that does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import NotFound, Terminal
from tidegate.kube.objects import is_being_deleted, labels_of, name_of
from tidegate.kube.resources import SERVICES, resource
from tidegate.traffic.assignment import ASSIGNMENT_LABEL
from tidegate.traffic.registry import own_kinds, route_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.controllers.children import Children
    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.domain.route import Routing
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

KIND_NOT_SERVED = "TrafficKindNotServed"


class Router:
    """Writes and deletes what traffic providers own."""

    def __init__(self, children: Children, cache: Cache) -> None:
        self._children = children
        self._cache = cache

    async def route(self, gathered: Gathered, decision: Decision, parent: Parent) -> None:
        """The route of one Model.

        Raises Terminal (`TrafficKindNotServed`) when the cluster does not know the provider's
        kinds, or `NameTaken` as every child does.
        """
        if gathered.model.spec.traffic is None or gathered.conflict is not None:
            await self._drop(gathered.obj, keep=())
            return
        provider, routing = gathered.provider, decision.routing
        if provider is None or routing is None or not routing.weights:
            return  # nothing may get traffic yet; a route without backends would answer 500
        if decision.delivery.stable is None:
            return
        attempt = decision.rollout.attempts if decision.rollout else 0
        wanted = provider.render(parent, routing=routing, attempt=attempt)
        for obj in wanted:
            await self._write(obj, provider=provider.title, differs=not _says(gathered, routing))
        if _confirmed(gathered, routing):
            await self._drop(gathered.obj, keep=wanted)

    async def drop_route(self, namespace: str, name: str) -> None:
        """Delete the route of a Model, by whichever provider; what else there is has its owner."""
        for kind in route_kinds():
            res = resource(*kind)
            route = self._cache.get(res, namespace, name)
            if route is not None:
                await self._children.drop(res, route)

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
