"""Nobody grants what they do not have, unless they were allowed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.auth.granting import ALICE, GROUP, RBAC, rule

if TYPE_CHECKING:
    from tests.local.apiserver.auth.granting import Granting

ROLES = f"{RBAC}/namespaces/default/roles"
BINDINGS = f"{RBAC}/namespaces/default/rolebindings"
MAY_WRITE = rule("create update patch", "roles rolebindings", GROUP)


def role(*rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Role",
        "metadata": {"name": "r"},
        "rules": list(rules),
    }


def role_binding(name: str, kind: str = "Role") -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
        "subjects": [{"kind": "User", "name": "alice"}],
    }


async def test_a_role_that_gives_more_than_one_has_is_refused(ask: Granting) -> None:
    await ask.grant(MAY_WRITE)
    answer = await ask("POST", ROLES, role(rule("get list", "configmaps")), token=ALICE)
    assert answer.status == 403
    assert answer.body["message"] == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["testers" '
        '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["get" "list"]}'
    )
    await ask.grant(rule("get list", "configmaps"))
    assert (await ask("POST", ROLES, role(rule("get", "configmaps")), token=ALICE)).status == 201


async def test_a_role_cannot_be_widened_either(ask: Granting) -> None:
    await ask.grant(MAY_WRITE)
    await ask.create(ROLES, role(rule("get", "secrets")))
    same = await ask(
        "PATCH", f"{ROLES}/r", {"metadata": {"labels": {"a": "b"}}}, token=ALICE,
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert same.status == 200
    wider = await ask(
        "PATCH", f"{ROLES}/r", {"rules": [rule("*", "secrets")]}, token=ALICE,
        content_type="application/merge-patch+json",
    )  # fmt: skip
    assert wider.status == 403


async def test_who_may_escalate_may_give_anything(ask: Granting) -> None:
    await ask.grant(MAY_WRITE, rule("escalate", "roles", GROUP))
    assert (await ask("POST", ROLES, role(rule("*", "*", "*")), token=ALICE)).status == 201


async def test_a_binding_to_a_stronger_role_is_refused(ask: Granting) -> None:
    await ask.grant(MAY_WRITE)
    answer = await ask("POST", BINDINGS, role_binding("cluster-admin", "ClusterRole"), token=ALICE)
    assert answer.status == 403
    assert "attempting to grant RBAC permissions not currently held" in answer.body["message"]
    await ask.grant(rule("bind", "clusterroles", GROUP, resourceNames=["cluster-admin"]))
    bound = await ask("POST", BINDINGS, role_binding("cluster-admin", "ClusterRole"), token=ALICE)
    assert bound.status == 201


async def test_a_binding_to_no_role_is_a_404_for_who_may_not_bind_it(ask: Granting) -> None:
    await ask.grant(MAY_WRITE)
    answer = await ask("POST", BINDINGS, role_binding("nope"), token=ALICE)
    assert answer.status == 404
    assert answer.body["message"] == 'roles.rbac.authorization.k8s.io "nope" not found'
    assert (await ask("POST", BINDINGS, role_binding("nope"))).status == 201


@pytest.mark.parametrize("selectors", [[{"matchLabels": {"a": "b"}}]])
async def test_a_role_made_of_others_needs_every_right(ask: Granting, selectors: Any) -> None:
    await ask.grant(rule("create", "clusterroles", GROUP), namespace="")
    obj = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "made"},
        "aggregationRule": {"clusterRoleSelectors": selectors},
        "rules": [],
    }
    assert (await ask("POST", f"{RBAC}/clusterroles", obj, token=ALICE)).status == 403
    assert (await ask("POST", f"{RBAC}/clusterroles", obj)).status == 201
