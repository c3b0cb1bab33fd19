"""Who am I, may I, may they: the reviews answer what the authorizer decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.auth.granting import ALICE, rule

if TYPE_CHECKING:
    from tests.local.apiserver.auth.granting import Granting

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
LIST = {"verb": "list", "resource": "configmaps", "namespace": "default"}


def review(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


async def test_a_user_may_ask_about_themselves(ask: Granting) -> None:
    body = review("SelfSubjectAccessReview", resourceAttributes=LIST)
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    assert (await ask("POST", path, body, token=ALICE)).body["status"] == {"allowed": False}
    await ask.role("r", rule("list", "configmaps"))
    await ask.bind("r")
    assert (await ask("POST", path, body, token=ALICE)).body["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "r/default" of Role "r" to User "alice"',
    }
    other = review("SelfSubjectAccessReview", nonResourceAttributes={"path": "/x", "verb": "get"})
    assert (await ask("POST", path, other, token=ALICE)).body["status"] == {"allowed": False}


async def test_the_administrator_may_ask_about_others(ask: Granting) -> None:
    await ask.role("r", rule("list", "configmaps"))
    await ask.bind("r", subject={"kind": "Group", "name": "testers"})
    for spec, allowed in (
        ({"user": "alice", "groups": ["testers"]}, True),
        ({"user": "alice"}, False),
        ({"groups": ["testers"]}, True),
        ({"user": "x", "groups": ["system:masters"]}, True),
    ):
        body = review("SubjectAccessReview", resourceAttributes=LIST, **spec)
        answer = await ask("POST", f"{AUTHORIZATION}/subjectaccessreviews", body)
        assert answer.body["status"]["allowed"] is allowed, spec
        again = await ask("POST", f"{AUTHORIZATION}/subjectaccessreviews", body, token=ALICE)
        assert again.status == 403


async def test_a_local_review_is_about_its_namespace_alone(ask: Granting) -> None:
    path = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    body = review("LocalSubjectAccessReview", resourceAttributes=LIST, user="alice")
    assert (await ask("POST", path, body)).body["status"] == {"allowed": False}
    elsewhere = {**LIST, "namespace": "kube-system"}
    body = review("LocalSubjectAccessReview", resourceAttributes=elsewhere, user="alice")
    answer = await ask("POST", path, body)
    assert answer.status == 422
    assert "must match metadata.namespace" in answer.body["message"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({}, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        (
            {"resourceAttributes": LIST, "nonResourceAttributes": {}},
            "cannot be specified in combination with resourceAttributes",
        ),
        ({"resourceAttributes": LIST}, "at least one of user or group must be specified"),
    ],
)
async def test_a_review_that_makes_no_sense_is_invalid(
    ask: Granting, spec: dict[str, Any], part: str
) -> None:
    body = review("SubjectAccessReview", **spec)
    answer = await ask("POST", f"{AUTHORIZATION}/subjectaccessreviews", body)
    assert answer.status == 422
    assert part in answer.body["message"]


async def test_a_user_may_see_every_rule_that_applies_to_them(ask: Granting) -> None:
    await ask.grant(rule("promote", "rollouts", "tidegate.dev"))
    body = review("SelfSubjectRulesReview", namespace="default")
    path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
    status = (await ask("POST", path, body, token=ALICE)).body["status"]
    wanted = {"verbs": ["promote"], "apiGroups": ["tidegate.dev"], "resources": ["rollouts"]}
    assert wanted in status["resourceRules"]
    assert any("/version" in r["nonResourceURLs"] for r in status["nonResourceRules"])
    elsewhere = review("SelfSubjectRulesReview", namespace="kube-system")
    status = (await ask("POST", path, elsewhere, token=ALICE)).body["status"]
    assert wanted not in status["resourceRules"]


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (
            ALICE,
            {
                "authenticated": True,
                "user": {
                    "username": "alice",
                    "uid": "u-alice",
                    "groups": ["testers", "system:authenticated"],
                },
                "audiences": ["https://kubernetes.default.svc"],
            },
        ),
        ("nobody's", {"user": {}, "error": "[invalid bearer token, unknown]"}),
    ],
)
async def test_a_token_review_says_whose_it_is(
    ask: Granting, token: str, status: dict[str, Any]
) -> None:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    answer = await ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
    assert answer.body["status"] == status
