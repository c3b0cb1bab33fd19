"""Drives CronJobs: starts and removes Jobs, reports; decided in `cronjob.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import AlreadyExists
from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import CRONJOBS, JOBS
from tidegate.local.workloads import cronjob as rules

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class CronJobController:
    """Reconciles one CronJob at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Take the CronJob's next step. Returns when its next run is due."""
        cronjob = self._view.mirror.get(CRONJOBS, *key)
        if cronjob is None or is_being_deleted(cronjob):
            return None
        jobs = {name_of(job): job for job in self._view.mirror.owned(JOBS, cronjob)}
        try:
            step = rules.next_step(cronjob, list(jobs.values()), now=self._view.clock.now())
        except ValueError as error:
            note = f"unparseable schedule: {cronjob['spec']['schedule']!r}: {error}"
            await self._view.tell(cronjob, reason="UnparseableSchedule", note=note, warning=True)
            return None
        for name in step.delete:
            # Its pods go too: a Job that is replaced must end.
            await self._view.delete(JOBS, jobs[name])
        for each in step.told:
            await self._view.tell(cronjob, reason=each.reason, note=each.note, warning=each.warning)
        status = step.status
        if step.create is not None and step.due is not None:
            made = await self._start(cronjob, step.create)
            if made is not None:
                status = rules.started(status, made, step.due)
        await self._view.report(CRONJOBS, cronjob, status)
        return step.again_s

    async def _start(self, cronjob: Object, job: Object) -> Object | None:
        try:
            made = await self._view.create(JOBS, job)
        except AlreadyExists:
            # Made before a restart that lost sight of it; the mirror is about to show it.
            return None
        note = f"Created job {name_of(made)}"
        await self._view.tell(cronjob, reason="SuccessfulCreate", note=note)
        return made
