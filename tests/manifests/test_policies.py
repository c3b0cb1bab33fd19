"""Who may do what: the roles of manifests/base with the admission policies of manifests/policies,
held by the API server of the embedded cluster."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import model, rollout
from tests.manifests.people import (
    ARGO,
    EVIDENCE,
    MANIFESTS,
    MODEL,
    MODELS,
    NAMESPACE,
    PATHS,
    PEOPLE,
    ROLLOUT,
    ROLLOUTS,
    Place,
    documents,
)

from tidegate.domain.approval import written
from tidegate.testing.apiserver import APPLY, Answer
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

type Obj = dict[str, Any]

APPROVAL = {"groups": ["ml-leads"], "expires": "3d"}
GATES = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]


_PEM = "-----BEGIN PUBLIC KEY-----\n"


def the_model() -> Obj:
    found = model(approval=APPROVAL, gates=GATES)
    found["spec"]["artifact"]["signedBy"] = {"publicKeys": [f"{_PEM}{'A' * 64}"]}
    return found


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        found = Place(kube)
        await found.furnish()
        await found.ask.create(MODELS, the_model())
        await found.ask.create(ROLLOUTS, rollout())
        yield found


def refused(answer: Answer, *says: str) -> None:
    assert answer.status in (403, 422), answer.body
    for text in says:
        assert text in answer.body["message"]


def accepted(answer: Answer) -> None:
    assert answer.status in (200, 201), answer.body


# -- approving -----------------------------------------------------------------------------------


async def test_a_member_of_the_groups_who_may_approve_approves(place: Place) -> None:
    for name in ("carol", "ada"):
        accepted(await place(name).approve())


REFUSED_APPROVALS = (
    ("viv", None, "cannot patch resource"),
    ("ed", None, "ed may not approve Models: bind the ClusterRole tidegate-approver"),
    ("bob", None, "bob is in none of the groups that may approve this Model: ml-leads"),
    ("pat", None, "pat may not approve Models"),
    ("carol", "ada", 'by is "ada" and you are "carol"'),
    ("ed", "carol", 'by is "carol" and you are "ed"'),
    ("system:serviceaccount:ci:other", "carol", "only service accounts that the ConfigMap"),
    (ARGO, ARGO, "names the person who gives it"),
)


@pytest.mark.scenario("PA-08")
async def test_nobody_else_approves_and_nobody_for_others(place: Place) -> None:
    for name, by, says in REFUSED_APPROVALS:
        refused(await place(name).approve(by), says)


async def test_a_listed_service_account_brings_an_approval_from_git(place: Place) -> None:
    accepted(await place(ARGO).approve("carol"))


FORMS = (
    f'{{"revision": "r", "evidence": "{EVIDENCE}", "by": "ada", "by": "carol"}}',
    f'{{"by": "carol", "revision": "r", "evidence": "{EVIDENCE}"}}',
    f'{{"revision": "r", "evidence": "{EVIDENCE}", "by": "carol", "x": "y"}}',
    f'{{"revision": "r\\", \\"by\\": \\"ada", "evidence": "{EVIDENCE}", "by": "carol"}}',
    f'{{"revision": "r", "evidence": "{EVIDENCE}", "by": "\\u0063arol"}}',
    f'{{"revision": "r", "evidence": "{EVIDENCE}", "by": "carol"}}\n{{"by": "ada"}}',
    f'[{{"revision": "r", "evidence": "{EVIDENCE}", "by": "carol"}}]',
    '{"revision": "r", "evidence": "", "by": "carol"}',
    '"carol"',
    "carol",
)


async def test_an_approval_has_one_form_so_that_nothing_is_hidden_in_it(place: Place) -> None:
    for text in FORMS:
        answer = await place("carol").annotate(MODEL, approve=text)
        refused(answer, "tidegate.dev/approve must read")


async def test_an_approval_is_asked_of_whoever_changes_it_only(place: Place) -> None:
    accepted(await place("carol").approve())
    accepted(await place("ed").patch(MODEL, {"metadata": {"labels": {"a": "b"}}}))
    accepted(await place("ed").annotate(MODEL, approve=None))
    refused(await place("ed").approve("carol"))


async def test_a_model_without_approval_takes_none(place: Place) -> None:
    accepted(await place("pat").patch(MODEL, {"spec": {"approval": None}}))
    refused(await place("carol").approve(), "none, it has no spec.approval")


# -- policy --------------------------------------------------------------------------------------


LOWER: tuple[Obj, ...] = (
    {"approval": {"groups": ["interns"]}},
    {"approval": {"expires": "9000d"}},
    {"gates": [{"name": "auc", "metric": "roc_auc", "min": 0.1}]},
    {"gates": None},
    {"approval": None},
    {"artifact": {"signedBy": None}},
    {"artifact": {"signedBy": {"publicKeys": [f"{_PEM}{'B' * 64}"]}}},
    {"artifact": {"format": "mlflow", "allowPickle": True}},
    {"artifact": {"format": "sklearn-joblib"}},
)


async def test_an_author_does_not_lower_what_a_version_must_pass(place: Place) -> None:
    says = "ed may not change gates, approval, lineage, ungated or artifact.signedBy"
    for spec in LOWER:
        refused(await place("ed").patch(MODEL, {"spec": spec}), says, "tidegate-policy-admin")
    accepted(await place("pat").patch(MODEL, {"spec": LOWER[0]}))


async def test_long_objects_as_kubectl_leaves_them_cost_no_more(place: Place) -> None:
    applied = "x" * 20_000
    for path in (MODEL, ROLLOUT):
        accepted(await place("ed").annotate(path, applied=applied))
    accepted(await place("carol").approve())
    accepted(await place("ed").annotate(ROLLOUT, command=command("abort", "ed")))
    refused(await place("bob").approve(), "bob is in none of the groups")


async def test_an_author_changes_everything_else(place: Place) -> None:
    accepted(await place("ed").patch(MODEL, {"spec": {"artifact": {"uri": "https://models/v2"}}}))
    accepted(await place("ed").patch(ROLLOUT, {"spec": {"deadline": "3h"}}))


async def test_an_author_does_not_go_round_by_creating_anew(place: Place) -> None:
    other = the_model()
    other["metadata"]["name"] = "other"
    del other["spec"]["approval"]
    refused(await place("ed")("POST", MODELS, other), "ed may not create Models", "setpolicy")
    refused(await place("ed")("PATCH", f"{MODELS}/other", other, content_type=APPLY), "setpolicy")
    accepted(await place("ed")("DELETE", MODEL))
    refused(await place("ed")("POST", MODELS, the_model()), "setpolicy")
    accepted(await place("pat")("POST", MODELS, the_model()))


async def test_a_model_is_not_created_with_somebody_elses_approval(place: Place) -> None:
    other = the_model()
    other["metadata"]["name"] = "other"
    other["metadata"]["annotations"] = {"tidegate.dev/approve": written("r", EVIDENCE, "carol")}
    refused(await place("ada")("POST", MODELS, other), 'by is "carol"')


async def test_an_approver_changes_no_spec(place: Place) -> None:
    artifact: Obj = {"artifact": {"uri": "https://models/v2"}}
    for path, spec in ((MODEL, artifact), (ROLLOUT, {"deadline": "3h"})):
        refused(await place("carol").patch(path, {"spec": spec}), "takes the verb update")


async def test_nobody_writes_status(place: Place) -> None:
    for name in PEOPLE:
        for path in (MODEL, ROLLOUT):
            answer = await place(name).patch(f"{path}/status", {"status": {"phase": "Ready"}})
            refused(answer, "cannot patch resource")


async def test_without_its_configuration_nothing_is_decided_by_default(place: Place) -> None:
    await place.ask("DELETE", f"{PATHS['ConfigMap']}/tidegate-approvals")
    refused(await place("carol").approve(), "no params found")


# -- commands ------------------------------------------------------------------------------------


def command(verb: str, by: str, **more: Any) -> str:
    return json.dumps({"id": "1", "verb": verb, "attempt": 1, "by": by, **more}, ensure_ascii=False)


async def test_verbs_go_by_role(place: Place) -> None:
    for name, verbs in (
        ("ed", ("abort", "pause", "resume", "retry", "skip")),
        ("carol", ("abort", "approve", "promote")),
    ):
        for verb in verbs:
            accepted(await place(name).annotate(ROLLOUT, command=command(verb, name, force=True)))


REFUSED_COMMANDS = (
    ("ed", command("approve", "ed"), "ed may not approve here"),
    ("ed", command("promote", "ed"), "ed may not promote here"),
    ("ed", command("abort", "carol"), 'by is "carol" and you are "ed"'),
    ("ed", '{"verb": "abort"}', "with one verb and one by"),
    ("ed", '{"verb": "abort", "by": "ed", "verb": "approve"}', "with one verb and one by"),
    ("ed", '{"verb": "abort", "by": "ed", "by": "carol"}', "with one verb and one by"),
    ("ed", '{"verb": "abort", "by": "ed", "x": {"verb": "y"}}', "must be a flat JSON object"),
    ("ed", '{"verb": "\\u0061pprove", "by": "ed"}', "must be a flat JSON object"),
    ("viv", command("abort", "viv"), "cannot patch resource"),
)


async def test_a_command_says_who_sends_it_and_only_what_they_may(place: Place) -> None:
    for name, text, says in REFUSED_COMMANDS:
        refused(await place(name).annotate(ROLLOUT, command=text), says)


async def test_a_rollout_is_not_created_with_somebody_elses_command(place: Place) -> None:
    accepted(await place("ed")("DELETE", ROLLOUT))
    made = copy.deepcopy(rollout())
    made["metadata"]["annotations"] = {"tidegate.dev/command": command("approve", "carol")}
    refused(await place("ed")("POST", ROLLOUTS, made), 'by is "carol"')
    accepted(await place(ARGO)("POST", ROLLOUTS, made))


def test_everything_in_the_folder_is_installed() -> None:
    folder = MANIFESTS / "policies"
    (kustomization,) = documents(folder / "kustomization.yaml")
    there = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there


# -- roles ---------------------------------------------------------------------------------------


def test_every_role_is_listed_in_the_docs() -> None:
    page = (MANIFESTS.parent / "docs" / "approvals.md").read_text()
    for role in documents(MANIFESTS / "base" / "roles.yaml"):
        assert f"`{role['metadata']['name']}`" in page
