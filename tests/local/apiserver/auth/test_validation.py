"""Roles and bindings that make no sense are refused with what is wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.auth.granting import GROUP, RBAC, rule

if TYPE_CHECKING:
    from tests.local.apiserver.auth.granting import Granting

ROLES = f"{RBAC}/namespaces/default/roles"
BINDINGS = f"{RBAC}/namespaces/default/rolebindings"


def obj(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "a"}, **fields}


def binding(**fields: Any) -> dict[str, Any]:
    reference = {"apiGroup": GROUP, "kind": "Role", "name": "r"}
    subject = {"kind": "User", "name": "u"}
    return obj("RoleBinding", **{"roleRef": reference, "subjects": [subject], **fields})


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (rule("", "pods"), "rules[0].verbs: Required value: verbs must contain"),
        (rule("get", ""), "rules[0].resources: Required value: resource rules must supply"),
        (
            {"verbs": ["get"], "resources": ["pods"]},
            "rules[0].apiGroups: Required value: resource rules must supply",
        ),
        (
            {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            "namespaced rules cannot apply to non-resource URLs",
        ),
    ],
)
async def test_a_rule_says_what_it_is_about(
    ask: Granting, given: dict[str, Any], part: str
) -> None:
    answer = await ask("POST", ROLES, obj("Role", rules=[given]))
    assert answer.status == 422
    assert part in answer.body["message"]


async def test_a_rule_is_about_resources_or_paths(ask: Granting) -> None:
    both = {**rule("get", "pods"), "nonResourceURLs": ["/x"]}
    answer = await ask("POST", f"{RBAC}/clusterroles", obj("ClusterRole", rules=[both]))
    assert answer.status == 422
    assert "cannot apply to both regular resources and non-resource" in answer.body["message"]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (
            {"roleRef": {"kind": "Robot", "name": "r"}},
            'roleRef.kind: Unsupported value: "Robot": supported values: "Role", "ClusterRole"',
        ),
        ({"roleRef": {"kind": "Role", "name": ""}}, "roleRef.name: Required value"),
        (
            {"roleRef": {"kind": "Role", "name": "r", "apiGroup": "x"}},
            "roleRef.apiGroup: Unsupported value",
        ),
        (
            {"subjects": [{"kind": "Robot", "name": "r"}]},
            'supported values: "ServiceAccount", "User", "Group"',
        ),
        ({"subjects": [{"kind": "User", "name": ""}]}, "subjects[0].name: Required value"),
        (
            {"subjects": [{"kind": "User", "name": "u", "apiGroup": "x"}]},
            "subjects[0].apiGroup: Unsupported value",
        ),
    ],
)
async def test_a_binding_names_a_role_and_subjects(
    ask: Granting, fields: dict[str, Any], part: str
) -> None:
    answer = await ask("POST", BINDINGS, binding(**fields))
    assert answer.status == 422
    assert part in answer.body["message"]


async def test_the_role_of_a_binding_cannot_be_changed(ask: Granting) -> None:
    await ask.create(BINDINGS, binding())
    answer = await ask.patch(f"{BINDINGS}/a", {"roleRef": {"name": "other"}})
    assert answer.status == 422
    assert "cannot change roleRef" in answer.body["message"]


async def test_a_service_account_of_the_whole_cluster_needs_its_namespace(ask: Granting) -> None:
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "r"}
    subject = {"kind": "ServiceAccount", "name": "sa"}
    given = obj("ClusterRoleBinding", roleRef=reference, subjects=[subject])
    answer = await ask("POST", f"{RBAC}/clusterrolebindings", given)
    assert answer.status == 422
    assert "subjects[0].namespace: Required value" in answer.body["message"]
