"""Trainings whose Jobs go, or whose names others have: what is followed, waited for, let alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site
from tests.controllers.test_training import CRON_JOB, OTHERS_JOB, ask, declared, end, jobs, runs

from tidegate.api.model import Model
from tidegate.kube.objects import owner_reference
from tidegate.kube.resources import CRONJOBS, JOBS
from tidegate.specs.metadata import Parent
from tidegate.trainers.base import Wanted
from tidegate.trainers.jobs import cron_jobs

if TYPE_CHECKING:
    from tidegate.kube.transport import Response
    from tidegate.testing.transport import Sent


@dataclass
class Replacing:
    """Somebody who deletes a Job and takes its name just before the operator deletes it."""

    site: Site

    async def before(self, sent: Sent) -> None:
        """See `Onlooker`."""
        if sent.method == "DELETE" and sent.path.endswith(f"/jobs/{NAME}-train-1"):
            self.site.kube.transport.onlooker = None
            await self.site.kube.user.delete(JOBS, f"{NAME}-train-1", namespace=NAMESPACE)
            await self.site.kube.put(OTHERS_JOB)

    async def after(self, sent: Sent, answer: Response) -> None:
        """See `Onlooker`."""


async def hold_on(site: Site, name: str) -> None:
    """Delete a Job that something still keeps, as its pods do in a foreground deletion."""
    kept: dict[str, Any] = {"metadata": {"finalizers": ["example.com/kept"]}}
    await site.kube.user.patch(JOBS, name, kept, namespace=NAMESPACE, manager="kept")
    await site.kube.user.delete(JOBS, name, namespace=NAMESPACE)


async def let_go(site: Site, name: str) -> None:
    freed: dict[str, Any] = {"metadata": {"finalizers": None}}
    await site.kube.user.patch(JOBS, name, freed, namespace=NAMESPACE, manager="kept")


async def test_what_is_begun_again_after_a_crash_needs_nothing_that_it_was_made_of(
    site: Site,
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    await site.kube.user.delete(CRONJOBS, "retrain", namespace=NAMESPACE)
    model = Model.model_validate(await site.model())
    assert model.spec.training is not None
    assert model.status.training is not None
    run = model.status.training.runs[0]
    parent = Parent(NAME, NAMESPACE, owner_reference(await site.model()))
    wanted = Wanted(parent, model.spec.training.job_from, run, f"{NAMESPACE}/{NAME}/1")
    assert await cron_jobs(site.kube.user).start(wanted) is None
    assert set(await jobs(site)) == {f"{NAME}-train-1"}


async def test_a_job_that_ended_has_ended_though_it_is_being_deleted(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, retries=0)
    await ask(site)
    await site.harness.settle()
    await hold_on(site, f"{NAME}-train-1")
    # Whoever looks now sees a Job that is over and going: the operator was away in between.
    await end(site, f"{NAME}-train-1", "Complete", settle=False)
    await site.harness.settle()
    assert [run["phase"] for run in await runs(site)] == ["Succeeded"]


async def test_a_job_that_is_deleted_before_it_ended_has_failed_at_once(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, retries=0)
    await ask(site)
    await site.harness.settle()
    await hold_on(site, f"{NAME}-train-1")
    await site.harness.settle()
    (run,) = await runs(site)
    assert (run["phase"], run["reason"]) == ("Failed", "TrainingDeleted")


@pytest.mark.parametrize(("declared_s", "made_s"), [(None, None), (60, 86_400), (90_000, 90_000)])
async def test_a_job_that_is_over_stays_for_a_day_so_that_its_end_is_seen(
    site: Site, declared_s: int | None, made_s: int | None
) -> None:
    cron_job = copy.deepcopy(CRON_JOB)
    template: dict[str, Any] = cron_job["spec"]["jobTemplate"]["spec"]  # type: ignore[index]
    if declared_s is not None:
        template["ttlSecondsAfterFinished"] = declared_s
    await site.kube.put(cron_job)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    (job,) = (await jobs(site)).values()
    assert job["spec"].get("ttlSecondsAfterFinished") == made_s


async def test_a_name_that_is_just_going_is_waited_for(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    name = f"{NAME}-train-1"
    await site.kube.put(OTHERS_JOB)
    await hold_on(site, name)
    await declared(site, retries=0)
    await ask(site)
    await site.harness.settle()
    assert [run["phase"] for run in await runs(site)] == ["Pending"]
    await let_go(site, name)
    await site.harness.advance(timedelta(minutes=2))
    (job,) = (await jobs(site)).values()
    assert job["metadata"]["ownerReferences"][0]["kind"] == "Model"
    assert [run["phase"] for run in await runs(site)] == ["Running"]


async def test_what_took_the_name_meanwhile_is_not_deleted_for_the_one_that_took_too_long(
    site: Site,
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, timeout="10m", retries=0)
    await ask(site)
    await site.harness.settle()
    site.kube.transport.onlooker = Replacing(site)
    await site.harness.advance(timedelta(minutes=11))
    (job,) = (await jobs(site)).values()
    assert "ownerReferences" not in job["metadata"]
    (run,) = await runs(site)
    assert (run["phase"], run["reason"]) == ("Failed", "TrainingTimedOut")
