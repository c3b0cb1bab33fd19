"""Approvals on a running cluster: its policies, people with tokens of their own, a registry that
says who made a version, and real pods that come in once somebody else has said yes."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest_asyncio
from tests.e2e.objects import condition, model, namespace, rollout, secret
from tests.e2e.people import LEADS, People, guard, people_of, unguard
from tests.e2e.registry import NAME, Registry, began
from tests.e2e.stage import E2E, Stage, Together

from tidegate.domain.approval import written
from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from tests.e2e.objects import Obj

pytestmark = E2E
together = Together(at_once=2)
APPROVED, EXPIRING = "approved", "expiring"
GATE = {"name": "auc", "metric": "roc_auc", "min": 0.65}
LINEAGE = {"require": ["run", "author"]}
_registries: list[Registry] = []


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _governed(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    """The policies are in force, and a registry has two versions by alice."""
    async with began(tmp_path_factory.mktemp("mlflow"), stage.http) as registry:
        await guard(stage, APPROVED, EXPIRING)
        for name, auc in (("good", 0.7), ("better", 0.8)):
            await registry.register(stage.artifacts[name].path, by="alice@corp", auc=auc)
        _registries.append(registry)
        yield
        _registries.clear()
        await unguard(stage)


def governed(where: str, version: int, *, expires: str = "1h") -> Obj:
    document = model(where, f"models:/{NAME}/{version}", credentialsRef={"name": "mlflow"})
    document["spec"] |= {
        "gates": [GATE],
        "approval": {"groups": [LEADS], "expires": expires},
        "lineage": LINEAGE,
    }
    return document


async def asked(stage: Stage, where: str, *documents: Obj) -> People:
    """A namespace with everybody, and a Model whose version waits for one of them."""
    (registry,) = _registries
    login = secret(where, "mlflow", MLFLOW_TRACKING_URI=registry.url)
    await stage.apply(*namespace(where), login)
    people = await people_of(stage, where)
    await people.kubectl("pat", "apply", "-f", "-", stdin=orjson.dumps(documents[0]))
    if documents[1:]:
        await stage.apply(*documents[1:])
    await until_approved_is("ApprovalPending", stage, where)
    return people


async def until_approved_is(reason: str, stage: Stage, where: str, *, says: str = "") -> Obj:
    def holds(found: Obj) -> bool:
        said = condition(found, "Approved")
        return said.get("reason") == reason and says in said["message"]

    return await stage.until(holds, MODELS, where)


def latest(found: Obj) -> Obj:
    """What status says of the revision that is asked for."""
    name = found["status"]["latestRevision"]
    entries: list[Obj] = found["status"]["revisions"]
    return next(entry for entry in entries if entry["name"] == name)


def approval_of(found: Obj, by: str, *, evidence: str | None = None) -> str:
    """The annotation that approves what waits; with other evidence than there is, if given."""
    entry = latest(found)
    return written(entry["name"], evidence or entry["approval"]["evidence"], by)


async def refuse_everybody(people: People, found: Obj) -> None:
    """Each tries what they must not do."""

    async def wrote(who: str, by: str, says: str) -> None:
        await people.refused(
            says, who, "annotate", "models.tidegate.dev", "weather",
            f"tidegate.dev/approve={approval_of(found, by)}",
        )  # fmt: skip

    await wrote("ed", "carol", 'by is "carol" and you are "ed"')
    await wrote("ed", "ed", "ed may not approve Models")
    await wrote("bob", "bob", "bob is in none of the groups that may approve this Model: ml-leads")
    await wrote("bob", "carol", 'by is "carol" and you are "bob"')
    await wrote("pat", "pat", "pat may not approve Models")
    await wrote("ci", "carol", "only service accounts that the ConfigMap")
    await wrote("git", f"system:serviceaccount:{people.where}:git", "names the person who gives it")

    async def changed(who: str, spec: Obj, says: str) -> None:
        text = orjson.dumps({"spec": spec}).decode()
        await people.refused(
            says, who, "patch", "models.tidegate.dev", "weather", "--type=merge", "-p", text
        )

    lowered: tuple[Obj, ...] = (
        {"gates": [{**GATE, "min": 0.1}]},
        {"gates": None},
        {"approval": {"groups": ["interns"]}},
        {"approval": None},
        {"lineage": None},
    )
    for spec in lowered:
        for who in ("alice", "git"):
            await changed(who, spec, "may not change gates, approval, lineage")
    await changed("carol", {"artifact": {"uri": "https://elsewhere/v2"}}, "takes the verb update")
    # Made anew it would ask for nothing: neither beside it, nor after it was deleted.
    other: Any = copy.deepcopy(governed(people.where, 1))
    other["metadata"]["name"] = "beside"
    for who in ("alice", "ed", "git"):
        await people.refused(
            "may not create Models", who, "apply", "-f", "-", stdin=orjson.dumps(other)
        )


async def bring_the_next_by_git(people: People, first: Obj) -> str:
    """Git changes the artifact while carol's yes to the first version stands; the annotation that
    approves the second one."""
    stage, where = people.stage, people.where
    await people.patch("git", "models", {"spec": {"artifact": {"uri": f"models:/{NAME}/2"}}})
    found = await until_approved_is("ApprovalPending", stage, where, says=first["name"])
    stale = approval_of(found, "carol", evidence=first["approval"]["evidence"])
    await people.annotate("carol", stale)
    await until_approved_is("ApprovalVoid", stage, where)
    assert await stage.envoy_weights(where) == {first["name"]: 100}
    code, said = await people.tidegate("carol", "approve", "model/weather", "--print")
    assert code == 0, said
    text = said.partition(": '")[2].rstrip("'\n")
    assert json.loads(text) == json.loads(approval_of(found, "carol"))
    return text


async def refuse_commands(people: People) -> None:
    """What a Rollout is told is guarded in the same way."""
    for who, by, says in (
        ("ed", "ed", "ed may not promote here"),
        ("ed", "carol", 'by is "carol" and you are "ed"'),
    ):
        given = json.dumps({"id": "1", "verb": "promote", "attempt": 1, "by": by})
        annotation = f"tidegate.dev/command={given}"
        await people.refused(says, who, "annotate", "rollouts.tidegate.dev", "weather", annotation)


@together
async def test_nobody_goes_round_an_approval_and_each_version_needs_its_own(stage: Stage) -> None:
    where = APPROVED
    people = await asked(stage, where, governed(where, 1), rollout(where, (50, "2s")))
    found = await stage.model(where)
    await refuse_everybody(people, found)
    # alice may approve, and is of the group; but she made it.
    code, said = await people.tidegate("alice", "approve", "model/weather", "--yes")
    assert (code, "somebody else has to" in said) == (1, True), said
    await people.annotate("alice", approval_of(found, "alice"))
    await until_approved_is("ApproverIsAuthor", stage, where)
    assert await stage.envoy_weights(where) == {}

    code, said = await people.tidegate("carol", "approve", "model/weather", "--yes")
    assert (code, "is approved by carol" in said, "by alice@corp" in said) == (0, True, True), said
    await stage.until_phase("Healthy", where)
    first = latest(await stage.model(where))
    await stage.until_envoy_gives_all_to(first["name"], where)
    assert first["approval"]["by"] == "carol"

    text = await bring_the_next_by_git(people, first)
    await refuse_commands(people)
    async with stage.load(where, rate=80).flowing() as load:
        await people.annotate("git", text)
        await stage.until_phase("Progressing", where)
        await stage.until_phase("Healthy", where)
    second = latest(await stage.model(where))
    assert load.untouched(first["name"], second["name"]), load.story()
    assert second["approval"]["by"] == "carol"
    assert await stage.envoy_weights(where) == {second["name"]: 100}
    # An author may delete it; it does not come back, neither with less nor as it was.
    await people.kubectl("ed", "delete", "models.tidegate.dev", "weather", "--wait=true")
    bare = model(where, f"models:/{NAME}/2", credentialsRef={"name": "mlflow"})
    for document in (bare, governed(where, 2)):
        await people.refused(
            "may not create Models", "ed", "apply", "-f", "-", stdin=orjson.dumps(document)
        )


@together
async def test_an_approval_that_is_not_used_in_time_brings_nothing_in(stage: Stage) -> None:
    where = EXPIRING
    people = await asked(stage, where, governed(where, 1, expires="3s"))  # without a Rollout
    found = await stage.model(where)
    await people.annotate("carol", approval_of(found, "carol"))
    found = await until_approved_is("ApprovalExpired", stage, where)
    assert latest(found)["approval"]["lapsed"]
    await stage.apply(rollout(where, (50, "2s")))
    await people.patch("pat", "models", {"spec": {"approval": {"expires": "1h"}}})
    code, said = await people.tidegate("carol", "approve", "model/weather", "--yes")
    assert (code, "is approved by carol" in said) == (0, True), said
    await stage.until_phase("Healthy", where)
    await stage.until_envoy_gives_all_to(latest(found)["name"], where)
