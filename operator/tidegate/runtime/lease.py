"""Leader election by one Lease: at most one process reconciles, and it knows when it must stop.

The holder renews well before the lease runs out and counts its right to act from the moment it
*sent* the last successful renewal, on its own monotonic clock; it stops a margin before others may
take over. Others take over only after they have themselves seen the lease unchanged for its whole
duration, so clocks of different machines are never compared. It does not decide what stops:
`run_while_held` ends, and whoever owns the process ends it.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.errors import AlreadyExists, Conflict, KubeError, NotFound, TidegateError
from tidegate.kube.clock import Clock, to_micro_time
from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, Object, resource_version_of
from tidegate.kube.resources import LEASES
from tidegate.runtime.logs import get_logger

if TYPE_CHECKING:
    from tidegate.kube.client import Client

log = get_logger(__name__)


class LeaseLost(TidegateError):
    """This process may not write any more; it must exit."""


class Lease:
    """One process's claim to a Lease."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        duration: timedelta = timedelta(seconds=15),
        manager: str = "tidegate-lease",
    ) -> None:
        """`client` must not be fenced by this lease. `identity` must be unique to the process."""
        self._client = client
        self._clock: Clock = client.clock
        self._namespace = namespace
        self._name = name
        self._manager = manager
        self.identity = identity
        self._duration_s = duration.total_seconds()
        self._renew_every_s = self._duration_s / 3
        self._retry_every_s = self._duration_s / 7.5
        self._margin_s = self._duration_s / 5
        self._held: Object | None = None
        self._expires = 0.0
        self._seen: tuple[str, float] | None = None
        self._jitter = random.Random()

    @property
    def held(self) -> bool:
        """Whether this process may act now."""
        return self.remaining > 0

    @property
    def remaining(self) -> float:
        """Seconds for which this process may still act; a fifth of the duration is its margin."""
        if self._held is None:
            return 0.0
        return max(0.0, self._expires - self._margin_s - self._clock.monotonic())

    async def acquire(self) -> None:
        """Wait, as long as it takes, until this process holds the lease."""
        log.info("waiting for the lease", lease=self._name, identity=self.identity)
        while True:
            try:
                if await self._try():
                    log.info("lease acquired", lease=self._name, identity=self.identity)
                    return
            except (Conflict, AlreadyExists) as error:
                log.debug("another process was faster", error=str(error))
            except KubeError as error:
                log.warning("lease cannot be read or written", lease=self._name, error=str(error))
            await self._clock.sleep(self._jitter.uniform(1.0, 1.2) * self._retry_every_s)

    async def run_while_held(self) -> None:
        """Renew until cancelled. Raises LeaseLost when another holds it or time runs out."""
        while True:
            await self._clock.sleep(self._renew_every_s)
            while not await self._renewed():
                if not self.held:
                    raise LeaseLost(f"lease {self._name} could not be renewed in time")
                pause = min(self._retry_every_s, self.remaining)
                await self._clock.sleep(max(pause, 0.01))

    async def release(self) -> None:
        """Let the next process take over at once; failing to only costs it the duration."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            try:
                await self._write(held, holder="", duration_s=1.0)
            except Conflict:
                # A renewal was cancelled under way, after the server had stored it.
                current = await self._client.get(LEASES, self._name, namespace=self._namespace)
                if current.get("spec", {}).get("holderIdentity") != self.identity:
                    return
                await self._write(current, holder="", duration_s=1.0)
            log.info("lease released", lease=self._name)
        except KubeError as error:
            log.warning("lease was not released", lease=self._name, error=str(error))

    async def _try(self) -> bool:
        try:
            current = await self._client.get(LEASES, self._name, namespace=self._namespace)
        except NotFound:
            await self._write(None, holder=self.identity)
            return True
        spec = current.get("spec", {})
        holder = spec.get("holderIdentity")
        version = resource_version_of(current)
        now = self._clock.monotonic()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        lasts_s = float(spec.get("leaseDurationSeconds") or self._duration_s)
        expired = now - self._seen[1] > lasts_s
        if holder and holder != self.identity and not expired:
            return False
        await self._write(current, holder=self.identity)
        return True

    async def _renewed(self) -> bool:
        if self._held is None:
            raise LeaseLost(f"lease {self._name} is not held")
        try:
            await self._write(self._held, holder=self.identity)
        except KubeError as error:
            log.warning("lease was not renewed", lease=self._name, error=str(error))
            return await self._still_ours()
        return True

    async def _still_ours(self) -> bool:
        """Look whose the lease is after a failed renewal, and renew if it is surely ours.

        Not only a Conflict may mean that it was taken: an API server answers 500 when a Lease that
        was deleted meanwhile is replaced. Raises LeaseLost when it is gone or another's.
        """
        try:
            current = await self._client.get(LEASES, self._name, namespace=self._namespace)
            holder = current.get("spec", {}).get("holderIdentity")
            if holder == self.identity:
                await self._write(current, holder=self.identity)
                return True
        except NotFound:
            holder = "nobody: it was deleted"
        except KubeError:
            return False
        self._held = None
        raise LeaseLost(f"lease {self._name} is held by {holder}")

    async def _write(
        self, current: Object | None, *, holder: str, duration_s: float | None = None
    ) -> None:
        lasts_s = duration_s or self._duration_s
        lease = self._next(current, holder=holder, duration_s=lasts_s)
        sent = self._clock.monotonic()
        if current is None:
            stored = await self._client.create(LEASES, lease, manager=self._manager)
        else:
            stored = await self._client.replace(LEASES, lease, manager=self._manager)
        if holder:
            self._held, self._expires = stored, sent + lasts_s

    def _next(self, current: Object | None, *, holder: str, duration_s: float) -> Object:
        now = to_micro_time(self._clock.now())
        before = (current or {}).get("spec", {})
        changed = before.get("holderIdentity") != holder
        spec = {
            **before,
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(duration_s)),
            "renewTime": now,
        }
        if changed and holder:
            spec["acquireTime"] = now
            transitions = int(before.get("leaseTransitions") or 0)
            spec["leaseTransitions"] = transitions + 1 if before else 0
        metadata = {
            "name": self._name,
            "namespace": self._namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        }
        if current is not None:
            metadata["resourceVersion"] = resource_version_of(current)
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }
