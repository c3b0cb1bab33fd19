"""Carrying out a delivery decision: route first, then what selects stable, then sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.controllers.backing import Backing
from tidegate.controllers.children import MANAGER, Children
from tidegate.controllers.routing import Router
from tidegate.errors import NotFound
from tidegate.kube.objects import is_being_deleted, owner_reference
from tidegate.kube.resources import (
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    PODS,
    SERVICES,
)
from tidegate.specs.autoscaler import autoscaler
from tidegate.specs.comparer import ComparedArm, comparer, comparer_name
from tidegate.specs.metadata import REVISION_LABEL, Parent
from tidegate.specs.service import model_service

if TYPE_CHECKING:
    from datetime import timedelta

    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Comparing, Decision
    from tidegate.kube.client import Client
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings


class Carrier:
    """Makes the cluster as a decision wants it."""

    def __init__(self, client: Client, cache: Cache, settings: Settings) -> None:
        self._settings = settings
        self._client = client
        self._cache = cache
        self._children = Children(client, cache)
        self._router = Router(client, self._children, cache)
        self._backing = Backing(self._children, cache)

    async def carry_out(self, gathered: Gathered, decision: Decision) -> timedelta | None:
        """Route, Services, sizes, in that order: traffic moves before pods do. Where a backend runs
        the Model, its one object says all of that.

        Returns when to look again if something has to wait.
        """
        parent = Parent(gathered.name, gathered.namespace, owner_reference(gathered.obj))
        if gathered.backed is not None:
            return await self._backing.carry_out(gathered, decision, parent)
        again = await self._router.route(gathered, decision, parent)
        await self._children.ensure(SERVICES, model_service(parent, stable=decision.selected))
        for revision, floor in decision.floors.items():
            await self._size(gathered, parent, revision, floor)
        await self._compare(parent, decision.comparing)
        return again

    async def _compare(self, parent: Parent, comparing: Comparing | None) -> None:
        """Run the comparer while both arms have pods to compare, and no longer than asked for."""
        found = self._cache.get(DEPLOYMENTS, parent.namespace, comparer_name(parent.name))
        if comparing is None:
            if found is not None:
                await self._children.drop(DEPLOYMENTS, found)
            return
        stable = ComparedArm(comparing.stable, self._hosts(parent, comparing.stable))
        candidate = ComparedArm(comparing.candidate, self._hosts(parent, comparing.candidate))
        if not stable.hosts or not candidate.hosts:
            return
        wanted = comparer(
            parent,
            stable=stable,
            candidate=candidate,
            tolerance=comparing.tolerance,
            image=self._settings.runtime_v2_image,
        )
        await self._children.ensure(DEPLOYMENTS, wanted)

    def _hosts(self, parent: Parent, revision: str) -> list[str]:
        """The addresses of a revision's pods that have one and are not going."""
        pods = self._cache.list(PODS, parent.namespace, labels={REVISION_LABEL: revision})
        return [
            pod["status"]["podIP"]
            for pod in pods
            if pod.get("status", {}).get("podIP") and not is_being_deleted(pod)
        ]

    async def drop_route(self, namespace: str, name: str) -> None:
        """Delete the route of a Model that is gone: it goes before anything behind it."""
        await self._router.drop_route(namespace, name)

    async def _size(self, gathered: Gathered, parent: Parent, revision: str, floor: int) -> None:
        """An autoscaler with that floor, or exactly that many pods where there is none."""
        deployment = self._cache.get(DEPLOYMENTS, gathered.namespace, revision)
        if deployment is None:
            return  # the Model controller has still to create it
        now = int(deployment["spec"].get("replicas", 1))
        scaling = gathered.model.spec.scaling
        elastic = scaling.max_replicas > scaling.min_replicas
        if elastic:
            await self._children.ensure(
                HORIZONTALPODAUTOSCALERS,
                autoscaler(parent, revision=revision, floor=floor, scaling=scaling),
            )
        else:
            await self._drop_autoscaler(gathered, revision)
        if now < floor or (now > floor and not elastic):
            await self._scale(gathered, revision, floor)

    async def _drop_autoscaler(self, gathered: Gathered, revision: str) -> None:
        found = self._cache.get(HORIZONTALPODAUTOSCALERS, gathered.namespace, revision)
        if found is not None:
            await self._children.drop(HORIZONTALPODAUTOSCALERS, found)

    async def _scale(self, gathered: Gathered, revision: str, replicas: int) -> None:
        try:
            await self._client.scale(
                DEPLOYMENTS,
                revision,
                namespace=gathered.namespace,
                replicas=replicas,
                manager=MANAGER,
            )
        except NotFound:
            return  # deleted meanwhile; the Model controller re-creates it and wakes us
