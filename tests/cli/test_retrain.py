"""`tidegate retrain` as a person types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.controllers.named import direct
from tests.controllers.site import NAME, NAMESPACE, Site
from tests.controllers.test_training import CRON_JOB, FROM, jobs

from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate


async def declared(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await site.kube.put(direct("https://models/v1", training={"jobFrom": FROM}))
    await site.harness.settle()


async def test_a_training_is_asked_for_and_named(site: Site, tidegate: Tidegate) -> None:
    await declared(site)
    ran = await tidegate("retrain", NAME, "--no-wait")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("training 1 is ")
    assert ran.out.endswith(f" as {NAME}-train-1\n")
    assert set(await jobs(site)) == {f"{NAME}-train-1"}
    asked = (await site.model())["metadata"]["annotations"]["tidegate.dev/retrain"]
    assert json.loads(asked)["by"] == "admin"


async def test_a_second_one_is_refused_while_the_first_runs(site: Site, tidegate: Tidegate) -> None:
    await declared(site)
    await tidegate("retrain", NAME, "--no-wait")
    ran = await tidegate("retrain", f"model/{NAME}", "--no-wait")
    assert ran.code == 1
    assert "training 1 is under way" in ran.err


async def test_one_that_is_not_over_in_time_goes_on(site: Site, tidegate: Tidegate) -> None:
    await declared(site)
    ran = await tidegate("retrain", NAME, "--timeout", "0.2", "-o", "json")
    assert ran.code == 124
    assert ran.document["phase"] in ("Pending", "Running")
    assert "it goes on" in ran.err


async def test_one_that_cannot_be_begun_says_what_to_mend(site: Site, tidegate: Tidegate) -> None:
    await site.kube.put(direct("https://models/v1", training={"jobFrom": FROM}))
    ran = await tidegate("retrain", NAME)
    assert ran.code == 1
    assert ran.out.startswith("training 1 failed (JobFromMissing): CronJob retrain does not exist")


async def test_a_model_that_is_not_there_is_said(site: Site, tidegate: Tidegate) -> None:
    ran = await tidegate("retrain", "nobody")
    assert (ran.code, ran.err) == (
        1,
        f"error: ModelNotFound: no Model nobody in namespace {NAMESPACE}\n",
    )


async def test_an_unanswered_wish_is_not_overwritten(site: Site, tidegate: Tidegate) -> None:
    await declared(site)
    body = {"metadata": {"annotations": {"tidegate.dev/retrain": '{"id": "x", "by": "bob"}'}}}
    await site.kube.user.patch(MODELS, NAME, body, namespace=NAMESPACE, manager="bob")
    ran = await tidegate("retrain", NAME, operator=False)
    assert ran.code == 1
    assert "by bob" in ran.err
