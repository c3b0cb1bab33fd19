"""`tidegate approve` as persons type it: a version of a Model, a step of a Rollout."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import PERSONS
from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout
from tests.manifests.people import PATHS, PEOPLE, Place

from tidegate.api.origin import Origin
from tidegate.kube.resources import CONTROLLERREVISIONS, MODELS
from tidegate.local.apiserver import User
from tidegate.testing.apiserver import MERGE

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"
APPROVAL = {"groups": ["ml-leads"]}
GATES = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]
AT_APPROVAL = {"canary": {"steps": [{"approval": {}}, {"weight": 5}]}}


def made_by(author: str | None) -> Origin:
    metric = {"metric": "roc_auc", "value": 0.7, "dataset": "holdout", "digest": "sha256:aa"}
    return Origin.model_validate(
        {
            "registry": "mlflow", "name": "flights", "version": "7", "author": author,
            "run": "5c1", "gitCommit": "abc123", "metrics": [metric],
        }
    )  # fmt: skip


async def waiting(
    site: Site, uri: str = V1, *, author: str | None = "alice@corp", **spec: Any
) -> dict[str, Any]:
    """A version that waits for its approval, with everybody who may be asked about it."""
    place = Place(site.kube)
    await place.furnish()
    for name in PERSONS:
        groups = (*PEOPLE[name][1], "system:authenticated")
        site.kube.api.users[f"{name}-token"] = User(name, groups, f"u-{name}")
    site.shelf.origins[uri] = made_by(author)
    await site.kube.put(model(uri, approval=APPROVAL, gates=GATES, **spec))
    await site.harness.settle()
    await site.pass_time(seconds=5)
    return await site.model()


def evidence_in(found: dict[str, Any]) -> str:
    return str(found["status"]["revisions"][0]["approval"]["evidence"])


async def test_it_shows_what_is_approved_and_says_what_came_of_it(
    site: Site, tidegate: Tidegate
) -> None:
    found = await waiting(site, delivery="Direct")
    ran = await tidegate("approve", NAME, "--yes", "--context", "carol")
    assert (ran.code, ran.err) == (0, "")
    entry = found["status"]["revisions"][0]
    for part in (
        f"Model {NAMESPACE}/{NAME}, revision {entry['name']}",
        entry["digest"],
        "mlflow flights version 7, by alice@corp, run 5c1, commit abc123",
        "auc: Passed: roc_auc is 0.7 (min 0.65)",
        "nothing yet",
        evidence_in(found),
        f"{NAME}: {entry['name']} is approved by carol until ",
    ):
        assert part in ran.out
    assert condition(await site.model(), "Approved")["reason"] == "Approved"
    again = await tidegate("approve", f"model/{NAME}", "--yes", "--context", "carol")
    assert again.code == 1
    assert "NothingToDo: nothing of Model flight-delay waits" in again.err


async def test_programs_read_what_was_given(site: Site, tidegate: Tidegate) -> None:
    found = await waiting(site)
    start = evidence_in(found)[:12]
    ran = await tidegate(
        "approve", f"model/{NAME}", "--evidence", start, "-o", "json", "--context", "carol"
    )
    assert ran.code == 0
    assert (ran.document["by"], ran.document["result"]) == ("carol", "Approved")
    assert ran.document["evidence"] == evidence_in(found)


@pytest.mark.parametrize(
    ("context", "options", "says"),
    [
        ("alice", ("--yes",), "ApproverIsAuthor: alice made flight-delay-"),
        ("alice", ("--print",), "ApproverIsAuthor: alice made flight-delay-"),
        ("bob", ("--yes",), "error: Refused: bob is in none of the groups that may approve this"),
        ("carol", (), "NotConfirmed: nobody is there to be asked"),
        ("carol", ("--evidence", "0" * 12), "EvidenceChanged: what waits has the evidence"),
    ],
)
async def test_what_may_not_be_approved_is_refused(
    site: Site, tidegate: Tidegate, context: str, options: tuple[str, ...], says: str
) -> None:
    await waiting(site)
    ran = await tidegate("approve", NAME, *options, "--context", context)
    assert ran.code == 1
    assert says in ran.err
    assert "annotations" not in (await site.model())["metadata"]


async def test_who_may_not_read_the_origin_is_told_so(site: Site, tidegate: Tidegate) -> None:
    await waiting(site)
    place = Place(site.kube)
    role = f"{PATHS['ClusterRole']}/tidegate-approver"
    rules = [
        {"apiGroups": ["tidegate.dev"], "resources": ["models"], "verbs": ["get", "patch"]},
        {"apiGroups": ["tidegate.dev"], "resources": ["rollouts"], "verbs": ["get", "list"]},
    ]
    await place.ask("PATCH", role, {"rules": rules}, content_type=MERGE)
    ran = await tidegate("approve", NAME, "--context", "carol", operator=False)
    assert "not shown: you may not get controllerrevisions (apps) in namespace demo" in ran.out


async def test_an_origin_that_is_gone_is_said_to_be(site: Site, tidegate: Tidegate) -> None:
    name = (await waiting(site))["status"]["latestRevision"]
    await site.kube.user.delete(CONTROLLERREVISIONS, name, namespace=NAMESPACE)
    ran = await tidegate("approve", NAME, "--context", "carol", operator=False)
    assert f"not shown: ControllerRevision {name} does not exist any more" in ran.out


async def test_an_unknown_author_is_told_before_anything_is_written(
    site: Site, tidegate: Tidegate
) -> None:
    await waiting(site, author="eve@corp")
    ran = await tidegate("approve", NAME, "--yes", "--context", "carol")
    assert ran.code == 1
    assert "add the line `eve@corp: USER`" in ran.err


async def test_for_git_it_prints_the_annotation_and_writes_nothing(
    site: Site, tidegate: Tidegate
) -> None:
    found = await waiting(site)
    ran = await tidegate("approve", NAME, "--print", "--context", "carol")
    assert ran.code == 0
    revision = found["status"]["latestRevision"]
    expected = f'{{"revision": "{revision}", "evidence": "{evidence_in(found)}", "by": "carol"}}'
    assert ran.out == f"tidegate.dev/approve: '{expected}'\n"
    assert "annotations" not in (await site.model())["metadata"]


async def test_nobody_answers_in_time(site: Site, tidegate: Tidegate) -> None:
    await waiting(site)
    ran = await tidegate(
        "approve", NAME, "--yes", "--timeout", "0.1", "--context", "carol", operator=False
    )
    assert ran.code == 124
    assert "nobody answered within 0.1 s" in ran.err
    text = (await site.model())["metadata"]["annotations"]["tidegate.dev/approve"]
    assert re.fullmatch(r'\{"revision": ".*", "evidence": "[0-9a-f]{64}", "by": "carol"\}', text)
    ran = await tidegate("approve", NAME, "--yes", "--no-wait", "--context", "carol")
    assert "is stored" in ran.out or "NothingToDo" in ran.err


@pytest.mark.parametrize("name", [NAME, f"model/{NAME}", "flights", "rollout/flights"])
async def test_a_step_that_waits_is_approved_by_either_name(
    site: Site, tidegate: Tidegate, name: str
) -> None:
    await site.start(strategy=AT_APPROVAL)
    await site.ask_for(V2)
    await site.until("Paused")
    ran = await tidegate("approve", name)
    assert (ran.code, ran.err) == (0, "")
    assert "flights: approve (attempt 1, revision" in ran.out


async def test_where_both_wait_the_kind_must_be_said(site: Site, tidegate: Tidegate) -> None:
    await site.start(strategy=AT_APPROVAL)
    await site.ask_for(V2)
    await site.until("Paused")
    await waiting(site, V3)
    ran = await tidegate("approve", NAME, "--yes")
    assert ran.code == 1
    assert "say model/flight-delay or rollout/flights" in ran.err
    assert (await tidegate("approve", "rollout/flights")).code == 0
    ran = await tidegate("approve", f"model/{NAME}", "--yes", "--context", "carol")
    assert ran.code == 0
    assert "is approved by carol" in ran.out


async def test_what_asks_for_nothing_is_not_approved(site: Site, tidegate: Tidegate) -> None:
    ran = await tidegate("approve", "nothing")
    assert ran.code == 1
    assert "RolloutNotFound" in ran.err
    await site.kube.put(rollout())
    await site.kube.put(model(V1))
    await site.harness.settle()
    ran = await tidegate("approve", f"model/{NAME}")
    assert ran.code == 1
    assert "NothingToDo" in ran.err
    found = await site.kube.user.get(MODELS, NAME, namespace=NAMESPACE)
    assert "annotations" not in found["metadata"]


async def test_a_model_that_asks_for_no_approval_is_not_taken_for_a_rollout(
    site: Site, tidegate: Tidegate
) -> None:
    missing = await tidegate("approve", f"model/{NAME}")
    assert missing.err.startswith(f"error: ModelNotFound: there is no Model {NAME} in namespace")
    await site.kube.put(model(V1, delivery="Direct"))
    await site.harness.settle()
    ran = await tidegate("approve", f"model/{NAME}")
    assert (ran.code, ran.out) == (1, "")
    assert f"NothingToDo: Model {NAME} asks for no approval (spec.approval)" in ran.err
