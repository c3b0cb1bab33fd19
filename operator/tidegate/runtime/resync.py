"""Lists every watched kind, once before anything is reconciled and then every few minutes.

Watches lose things: kopf tells nothing of objects that vanished while its watch was broken, and a
half-dead connection tells nothing at all. A list heals the cache, and waking every object heals
whatever a lost wake-up left undone. It writes nothing to the API server.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tidegate.errors import KubeError, NotFound
from tidegate.kube.client import Listing
from tidegate.runtime.logs import get_logger
from tidegate.runtime.workqueue import BackOff

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from tidegate.kube.client import Client
    from tidegate.runtime.cache import Cache
    from tidegate.runtime.owners import Watched

log = get_logger(__name__)

_BACK_OFF = BackOff(first_s=0.5, longest_s=30.0)


class Resync:
    """Keeps a cache whole by lists."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        watched: Sequence[Watched],
        *,
        namespaces: Sequence[str] = (),
        every_s: float = 300.0,
        wake_all: Callable[[], None],
    ) -> None:
        """`namespaces` empty means all; `wake_all` enqueues whatever the cache holds."""
        self._client = client
        self._cache = cache
        self._watched = tuple(watched)
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._every_s = every_s
        self._wake_all = wake_all
        self._jitter = random.Random()

    async def first(self, synced: asyncio.Event) -> None:
        """List everything, waiting for what is not served yet; then set `synced`."""
        for watched in self._watched:
            failures = 0
            while not await self._list(watched):
                failures += 1
                await self._client.clock.sleep(_BACK_OFF.wait(failures, jitter=self._jitter))
        synced.set()

    async def run(self) -> None:
        """List everything again and again, every `every_s` to twice that, until cancelled."""
        while True:
            pause = self._jitter.uniform(self._every_s, 2 * self._every_s)
            await self._client.clock.sleep(pause)
            await self.once()

    async def once(self) -> None:
        """List every kind that answers, and wake every object."""
        for watched in self._watched:
            await self._list(watched)
        self._wake_all()

    async def _list(self, watched: Watched) -> bool:
        for namespace in self._namespaces:
            where = namespace if watched.res.namespaced else None
            try:
                listing = await self._client.list(
                    watched.res, namespace=where, label_selector=watched.label_selector
                )
            except NotFound:
                if watched.optional:
                    self._cache.replace(watched.res, Listing([], ""), namespace=where)
                    continue
                log.warning(
                    "kind is not served; install its CustomResourceDefinition",
                    resource=str(watched.res),
                    version=watched.res.version,
                )
                return False
            except KubeError as error:
                log.warning("list failed", resource=str(watched.res), error=str(error))
                return False
            self._cache.replace(watched.res, listing, namespace=where)
        return True
