"""Bad input ends in a condition that says what to do, and what serves goes on serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.e2e.objects import condition, hostname, model, namespace, rollout
from tests.e2e.stage import E2E, Stage, eventually

from tidegate.errors import Terminal
from tidegate.kube.resources import HTTPROUTES, MODELS, ROLLOUTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.e2e.load import Load
    from tests.e2e.objects import Obj

pytestmark = E2E
SERVED = "served"


@dataclass
class Served:
    """A Model that serves and is asked all the time. `revision` is what serves."""

    stage: Stage
    revision: str
    load: Load

    async def refused(self, spec: Obj, reason: str) -> Obj:
        """The Model's conditions by type once a wrong spec was found wrong for this reason, and
        that what served before still does, alone."""
        await self.stage.apply(spec)
        generation = (await self.stage.model(SERVED))["metadata"]["generation"]

        def told(found: Obj) -> bool:
            verified = condition(found, "Verified")
            return (
                verified.get("reason") == reason
                and verified.get("observedGeneration") == generation
                and condition(found, "Stalled").get("observedGeneration") == generation
            )

        found = await self.stage.until(told, MODELS, SERVED)
        before = self.load.served(self.revision)

        async def more() -> bool:
            return self.load.served(self.revision) >= before + 10

        await eventually(more, saw=self.load.story)
        assert self.load.untouched(self.revision), self.load.story()
        assert await self.stage.envoy_weights(SERVED) == {self.revision: 100}
        conditions = {each["type"]: each for each in found["status"]["conditions"]}
        assert conditions["Verified"]["status"] == "False"
        assert conditions["Ready"]["status"] == "False"
        assert conditions["Available"]["status"] == "True"
        return conditions


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(stage: Stage) -> AsyncIterator[Served]:
    """A Model that serves, under a light load."""
    good = model(SERVED, stage.artifacts["good"].uri, delivery="Direct")
    revision = await stage.serve(SERVED, good)
    async with stage.load(SERVED, rate=20, missing=3).flowing() as load:
        yield Served(stage, revision, load)
    assert load.untouched(revision), load.story()


async def test_another_digest_than_the_one_asked_for_is_refused(served: Served) -> None:
    better, good = (served.stage.artifacts[name] for name in ("better", "good"))
    spec = model(SERVED, better.uri, delivery="Direct", sha256=good.sha256)
    conditions = await served.refused(spec, "DigestMismatch")
    assert conditions["Resolved"]["status"] == "False"
    assert good.sha256 in conditions["Ready"]["message"]
    assert better.sha256 in conditions["Ready"]["message"]


async def test_a_missing_file_is_named(served: Served) -> None:
    uri = served.stage.artifacts["good"].path.with_name("nothing.skops").as_uri()
    conditions = await served.refused(model(SERVED, uri, delivery="Direct"), "ArtifactNotFound")
    assert "nothing.skops" in conditions["Ready"]["message"]


async def test_bytes_that_are_no_model_are_not_served(served: Served) -> None:
    spec = model(SERVED, served.stage.artifacts["garbage"].uri, delivery="Direct")
    conditions = await served.refused(spec, "LoadFailed")
    assert conditions["Ready"]["reason"] == "RevisionFailed"
    assert conditions["Ready"]["message"].endswith("Change the Model")


async def test_a_model_that_takes_something_else_is_not_served(served: Served) -> None:
    spec = model(SERVED, served.stage.artifacts["three-columns"].uri, delivery="Direct")
    conditions = await served.refused(spec, "SignatureMismatch")
    assert conditions["Ready"]["reason"] == "RevisionFailed"
    assert "3" in conditions["Ready"]["message"]


async def test_a_hostname_belongs_to_the_older_model(served: Served, stage: Stage) -> None:
    good = stage.artifacts["good"].uri
    younger = model("rival", good, delivery="Direct", host=hostname(SERVED))
    await stage.apply(*namespace("rival"), younger)
    ready = await stage.until_ready_is("Conflicted", "rival")
    assert f"belongs to the older Model {SERVED}/weather" in ready["message"]
    assert "choose another hostname or path" in ready["message"]
    found = await stage.model("rival")
    assert condition(found, "Conflicted")["status"] == "True"
    routes = await stage.client.list(HTTPROUTES, namespace="rival")
    assert not routes.items
    assert set(await stage.envoy_weights(SERVED)) == {served.revision}
    assert served.load.untouched(served.revision), served.load.story()


@pytest.mark.scenario("FD-07")
async def test_a_rollout_without_its_model_says_what_is_missing(stage: Stage) -> None:
    await stage.apply(*namespace("alone"), rollout("alone", (50, "5s")))
    found = await stage.until(
        lambda r: condition(r, "Ready").get("reason") == "ModelMissing", ROLLOUTS, "alone"
    )
    assert "create it, or correct spec.modelRef.name" in condition(found, "Ready")["message"]


def _misspelt(good: str) -> Obj:
    spec = model("default", good)
    spec["spec"]["artifact"]["sha265"] = spec["spec"]["artifact"].pop("pollInterval")
    return spec


def _falling(_: str) -> Obj:
    return rollout("default", (50, "5s"), (20, "5s"))


def _without_absolute(_: str) -> Obj:
    metric = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5}}
    return rollout("default", (20, "5s"), metrics=(metric,))


def _pathless(good: str) -> Obj:
    spec = model("default", good)
    del spec["spec"]["traffic"]
    return spec


@pytest.mark.scenario("SW-05", "SW-10")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (_misspelt, 'unknown field "spec.artifact.sha265"'),
        (_falling, "weights must rise from step to step"),
        (_without_absolute, "margin.absolute is required for this type"),
        (_pathless, "so it needs spec.traffic"),
    ],
)
async def test_kubectl_apply_is_refused(
    stage: Stage, wrong: Callable[[str], Obj], words: str
) -> None:
    with pytest.raises(Terminal) as refusal:
        await stage.apply(wrong(stage.artifacts["good"].uri))
    assert words in refusal.value.message
