"""Which trainers there are, by the member of `spec.training.jobFrom`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.trainers.jobs import cron_jobs, train_jobs
from tidegate.trainers.kfp import Pipelines

if TYPE_CHECKING:
    from tidegate.api.training import JobFrom
    from tidegate.kube.client import Client
    from tidegate.trainers.base import Trainer


class Trainers:
    """All trainers together. Close them. With `require_hosts` a Secret must say where it may go."""

    def __init__(self, client: Client, *, require_hosts: bool = True) -> None:
        self._cron_jobs = cron_jobs(client)
        self._train_jobs = train_jobs(client)
        self._pipelines = Pipelines(client, require_hosts=require_hosts)

    def of(self, job_from: JobFrom) -> Trainer:
        """The trainer that a Model asks for."""
        if job_from.cron_job_ref is not None:
            return self._cron_jobs
        if job_from.train_job_ref is not None:
            return self._train_jobs
        return self._pipelines

    async def close(self) -> None:
        """Close the connections."""
        await self._pipelines.close()
