"""The delivery controller: the one writer that moves traffic, keyed by Model.

Gathers the Model, its Rollout, pods, route and metrics; asks `domain` for a decision; writes the
intent to status, then the route, then sizes, then the decision record. Everything needed to go on
after a crash stands in status.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.controllers.archive import Archive
from tidegate.controllers.backing import REFUSALS
from tidegate.controllers.carrying import Carrier
from tidegate.controllers.gathering import Gatherer
from tidegate.controllers.observing import Observer
from tidegate.controllers.reporting import Reporter, standing_refusal
from tidegate.controllers.routing import KIND_NOT_SERVED
from tidegate.domain.direct import decide_direct, decide_without_rollout
from tidegate.domain.record import recorded
from tidegate.domain.rollout import Timing, decide
from tidegate.errors import Terminal
from tidegate.kube.objects import is_being_deleted
from tidegate.kube.resources import MODELS
from tidegate.runtime.request import Request, Result

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.metrics.base import Metrics
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings

_KIND_AGAIN = timedelta(seconds=30)


class DeliveryReconciler:
    """Moves the traffic of one Model."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        clock: Clock,
        settings: Settings,
        metrics: Metrics | None,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._gatherer = Gatherer(cache, settings)
        self._observer = Observer(clock, metrics)
        self._carrier = Carrier(client, cache, settings)
        self._reporter = Reporter(client, cache, recorder)
        self._archive = Archive(client)
        self._since: dict[Request, datetime] = {}
        """When this operator looked at each Model for the first time."""

    async def reconcile(self, request: Request) -> Result:
        """One look at the delivery of one Model."""
        obj = self._cache.get(MODELS, request.namespace, request.name)
        if obj is None or is_being_deleted(obj):
            await self._carrier.drop_route(request.namespace, request.name)
            self._archive.forget(request.namespace, request.name)
            self._observer.forget(request.namespace, request.name)
            self._since.pop(request, None)
            rollouts = self._gatherer.rollouts(request.namespace, request.name)
            await self._reporter.model_missing(rollouts, self._clock.now())
            return Result.done()
        gathered = self._gatherer.gather(obj)
        left = await self._archive.close_left(gathered)
        await self._archive.catch_up(gathered)
        now = self._clock.now()
        since = self._since.setdefault(request, now)
        timing = Timing(now=now, scrape=self._settings.scrape_interval, since=since)
        gathered = await self._observer.observe(gathered, timing)
        decision = self._kept(gathered, timing, decision_for(gathered, timing))
        standing = standing_refusal(gathered)
        gathered = await self._reporter.write(gathered, decision, timing.now, refusal=standing)
        refusal, again = None, None
        try:
            again = await self._carrier.carry_out(gathered, decision)
        except Terminal as error:
            refusal = error
            # Nothing wakes us when a CustomResourceDefinition is installed.
            again = _KIND_AGAIN if error.reason in (KIND_NOT_SERVED, *REFUSALS) else None
        if (refusal is None) != (standing is None) or str(refusal) != str(standing):
            await self._reporter.write_model(gathered, decision, timing.now, refusal=refusal)
        await self._reporter.tell(gathered, decision)
        kept = await self._archive.write(gathered, decision)
        waits = [wait for wait in (kept, left) if wait is not None]
        return _result(decision, again, min(waits) if waits else None)

    def _kept(self, gathered: Gathered, timing: Timing, decision: Decision) -> Decision:
        """The decision with what it adds to the decision record."""
        if gathered.declared is None:
            return decision
        written = self._archive.written(gathered)
        return recorded(gathered.declared, gathered.facts, timing, decision, written=written)


def decision_for(gathered: Gathered, timing: Timing) -> Decision:
    """What is to be done about one delivery; `tidegate plan` asks the same."""
    if gathered.declared is not None:
        return decide(gathered.declared, gathered.facts, timing)
    if gathered.model.spec.delivery == "Direct":
        return decide_direct(gathered.facts, timing)
    return decide_without_rollout(gathered.facts, timing)


def _result(decision: Decision, again: timedelta | None, kept: timedelta | None) -> Result:
    """When to look again: as the decision wants, or earlier for what could not be carried out
    (`again`) or for the decision record (`kept`)."""
    waits = [after for after in (decision.after, again, kept) if after is not None]
    if not waits:
        return Result.done()
    least = timedelta(milliseconds=20)  # a status write of ours wakes us anyway
    why = decision.why or "what is behind the route is not there yet"
    return Result.after(max(least, min(waits)).total_seconds(), why)
