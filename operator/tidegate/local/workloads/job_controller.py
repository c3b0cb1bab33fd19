"""Drives Jobs: starts pods, counts how they end, reports; decided in `job.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import JOBS, PODS
from tidegate.local.workloads import job as rules
from tidegate.local.workloads import pods as facts

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class JobController:
    """Reconciles one Job at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Take the Job's next step. Returns when its back-off, deadline or life time ends."""
        job = self._view.mirror.get(JOBS, *key)
        if job is None or is_being_deleted(job):
            return None
        if rules.is_over(job):
            return await self._expire(job)
        pods = self._view.mirror.owned(PODS, job)
        step = rules.next_step(job, pods, now=self._view.clock.now())
        for _ in range(step.create):
            made = await self._view.create(PODS, rules.job_pod(job))
            note = f"Created pod: {name_of(made)}"
            await self._view.tell(job, reason="SuccessfulCreate", note=note)
        by_name = {name_of(pod): pod for pod in pods}
        for name in step.delete:
            await self._view.delete(PODS, by_name[name])
        before = facts.condition(job, rules.SUSPENDED)
        job = await self._view.report(JOBS, job, step.status)
        await self._tell_suspension(job, before)
        if rules.is_over(job):
            await self._tell_end(job)
            return await self._expire(job)
        return step.again_s

    async def _tell_suspension(self, job: Object, before: Object | None) -> None:
        now = facts.condition(job, rules.SUSPENDED)
        if now is not None and now != before:
            reason = "Suspended" if now["status"] == "True" else "Resumed"
            await self._view.tell(job, reason=reason, note=now["message"])

    async def _tell_end(self, job: Object) -> None:
        for found in job["status"]["conditions"]:
            if found["type"] == "Complete":
                await self._view.tell(job, reason="Completed", note="Job completed")
            elif found["type"] == "Failed":
                await self._view.tell(
                    job, reason=found["reason"], note=found["message"], warning=True
                )

    async def _expire(self, job: Object) -> float | None:
        left = rules.expires_in(job, now=self._view.clock.now())
        if left == 0:
            await self._view.delete(JOBS, job)
            return None
        return left
