"""Tells pods what must stay in the artifact cache that they share: a ConfigMap in each namespace.

Written whenever the revisions of a namespace change, and never otherwise. Without it, or with an
old one, pods remove less; so no delivery waits for it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tidegate.controllers.children import MANAGER
from tidegate.domain.times import stamp
from tidegate.errors import KubeError, NotFound
from tidegate.kube.resources import CONFIGMAPS, CONTROLLERREVISIONS
from tidegate.runtime.logs import get_logger
from tidegate.specs.keep import KEEP_NAME, keep_map, listed_in, owner_in

if TYPE_CHECKING:
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings

log = get_logger(__name__)

RETRY_S = 300.0
"""Until the next try in a namespace where it could not be written: nothing is lost meanwhile."""


class Keeping:
    """Writes the list of each namespace; remembers what it wrote."""

    def __init__(self, client: Client, cache: Cache, clock: Clock, settings: Settings) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._wanted = settings.cache_claim is not None
        self._said: dict[str, frozenset[str]] = {}
        self._rest_until: dict[str, float] = {}

    async def tell(self, namespace: str) -> None:
        """Write which artifacts the revisions of a namespace have, if that is news."""
        if not self._wanted:
            return
        revisions = self._cache.list(CONTROLLERREVISIONS, namespace)
        digests = frozenset(str(one["data"]["artifact"]["sha256"]) for one in revisions)
        if not digests or self._said.get(namespace) == digests:
            return
        now = self._clock.monotonic()
        if now < self._rest_until.get(namespace, now):
            return
        try:
            await self._write(namespace, digests)
        except KubeError as error:
            log.warning("what must stay in the cache cannot be said", error=str(error))
            self._rest_until[namespace] = now + RETRY_S
            return
        self._said[namespace] = digests

    async def _write(self, namespace: str, digests: frozenset[str]) -> None:
        try:
            found = await self._client.get(CONFIGMAPS, KEEP_NAME, namespace=namespace)
        except NotFound:
            owner = uuid.uuid4().hex
            wanted = keep_map(namespace, owner=owner, at=self._now(), digests=digests)
            await self._client.create(CONFIGMAPS, wanted, manager=MANAGER)
            return
        known = owner_in(found)
        if known is None:
            log.warning("somebody else has this ConfigMap; no cache is cleared", name=KEEP_NAME)
            return
        wanted = keep_map(namespace, owner=known, at=self._now(), digests=digests)
        if listed_in(found) == digests:
            return
        await self._client.patch(
            CONFIGMAPS, KEEP_NAME, {"data": wanted["data"]}, namespace=namespace, manager=MANAGER
        )

    def _now(self) -> str:
        return stamp(self._clock.now())
