"""Roles and bindings decide what a user may do, and a change of them counts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.apiserver.auth.granting import ALICE, BOB, RBAC, rule

from tidegate.testing.apiserver import CONFIG_MAPS, MERGE, config_map

if TYPE_CHECKING:
    from tests.local.apiserver.auth.granting import Granting

CLUSTER = "at the cluster scope"
NOPE = 'in API group "nope.example.com"'
APPS = 'in API group "apps" in the namespace "default"'
WHERE = 'in API group "" in the namespace "default"'


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("GET", CONFIG_MAPS, f'configmaps is|list resource "configmaps" {WHERE}'),
        ("GET", f"{CONFIG_MAPS}/x", f'configmaps "x" is|get resource "configmaps" {WHERE}'),
        ("GET", "/api/v1/nodes", f'nodes is|list resource "nodes" in API group "" {CLUSTER}'),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/default/deployments/x/status",
            f'deployments.apps "x" is|patch resource "deployments/status" {APPS}',
        ),
        (
            "GET",
            "/apis/nope.example.com/v1/foos",
            f'foos.nope.example.com is|list resource "foos" {NOPE} {CLUSTER}',
        ),
        (
            "GET",
            "/api/v1/namespaces/default",
            f'namespaces "default" is|get resource "namespaces" {WHERE}',
        ),
        ("GET", "/metrics", '|get path "/metrics"'),
    ],
)
async def test_who_was_given_nothing_may_nothing(
    ask: Granting, method: str, path: str, what: str
) -> None:
    answer = await ask(method, path, {} if method == "PATCH" else None, token=ALICE)
    assert answer.status == 403
    subject, _, wish = what.partition("|")
    lead = f"{subject} forbidden" if subject else "forbidden"
    assert answer.body["message"] == f'{lead}: User "alice" cannot {wish}'


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps/v1", "/openapi/v3", "/version"])
async def test_everybody_known_may_discover(ask: Granting, path: str) -> None:
    assert (await ask("GET", path, token=ALICE)).status == 200


async def test_a_role_gives_its_verbs_in_its_namespace(ask: Granting) -> None:
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 403
    await ask.grant(rule("get list", "configmaps"))
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 200
    assert (await ask("GET", f"{CONFIG_MAPS}/a", token=ALICE)).status == 404
    assert (await ask("POST", CONFIG_MAPS, config_map("a"), token=ALICE)).status == 403
    assert (await ask("GET", CONFIG_MAPS, query={"watch": "1"}, token=ALICE)).status == 403
    elsewhere = "/api/v1/namespaces/kube-system/configmaps"
    assert (await ask("GET", elsewhere, token=ALICE)).status == 403
    assert (await ask("GET", CONFIG_MAPS, token=BOB)).status == 403


async def test_what_is_taken_away_counts_at_once(ask: Granting) -> None:
    await ask.role("reader", rule("list", "configmaps"))
    await ask.bind("reader")
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 200
    await ask.patch(f"{RBAC}/namespaces/default/roles/reader", {"rules": []})
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 403


async def test_a_cluster_role_counts_where_it_is_bound(ask: Granting) -> None:
    await ask.role("reader", rule("list", "configmaps nodes"), namespace="")
    await ask.bind("reader", kind="ClusterRole")
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 200
    assert (await ask("GET", "/api/v1/nodes", token=ALICE)).status == 403
    await ask.bind("reader", kind="ClusterRole", namespace="")
    assert (await ask("GET", "/api/v1/nodes", token=ALICE)).status == 200


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "Group", "name": "testers"},
        {"kind": "Group", "name": "system:authenticated"},
    ],
)
async def test_a_binding_to_a_group_gives_to_its_members(
    ask: Granting, subject: dict[str, str]
) -> None:
    await ask.role("reader", rule("list", "configmaps"))
    await ask.bind("reader", subject=subject)
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 200


async def test_a_rule_for_single_names_says_nothing_of_others(ask: Granting) -> None:
    await ask.create(CONFIG_MAPS, config_map("mine"))
    await ask.grant(rule("get list watch", "configmaps", resourceNames=["mine"]))
    assert (await ask("GET", f"{CONFIG_MAPS}/mine", token=ALICE)).status == 200
    assert (await ask("GET", f"{CONFIG_MAPS}/other", token=ALICE)).status == 403
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 403
    one = {"fieldSelector": "metadata.name=mine"}
    assert (await ask("GET", CONFIG_MAPS, query=one, token=ALICE)).status == 200


async def test_a_resource_says_nothing_of_what_is_below_it(ask: Granting) -> None:
    await ask.grant(rule("get", "pods"))
    path = "/api/v1/namespaces/default/pods/a/log"
    assert (await ask("GET", path, token=ALICE)).status == 403
    await ask.grant(rule("get", "*/log"))
    assert (await ask("GET", path, token=ALICE)).status == 404


async def test_a_binding_to_no_role_is_told_in_the_refusal(ask: Granting) -> None:
    await ask.bind("gone", kind="ClusterRole", namespace="")
    answer = await ask("GET", CONFIG_MAPS, token=ALICE)
    assert answer.body["message"].endswith(
        ': RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )


async def test_the_usual_roles_are_there_and_made_of_others(ask: Granting) -> None:
    for name in ("view", "edit", "admin", "cluster-admin"):
        assert (await ask.get(f"{RBAC}/clusterroles/{name}"))["rules"]
    await ask.bind("view", kind="ClusterRole")
    assert (await ask("GET", CONFIG_MAPS, token=ALICE)).status == 200
    secrets = "/api/v1/namespaces/default/secrets"
    assert (await ask("GET", secrets, token=ALICE)).status == 403
    rollouts = "/apis/tidegate.dev/v1alpha1/namespaces/default/rollouts"
    assert (await ask("GET", rollouts, token=ALICE)).status == 403
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "more",
            "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"},
        },
        "rules": [rule("list", "rollouts", "tidegate.dev")],
    }
    await ask.create(f"{RBAC}/clusterroles", role)
    assert (await ask("GET", rollouts, token=ALICE)).status == 404


async def test_a_forbidden_write_is_refused_before_its_body_is_read(ask: Granting) -> None:
    answer = await ask("PATCH", f"{CONFIG_MAPS}/a", {"x": 1}, content_type=MERGE, token=ALICE)
    assert answer.status == 403
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}
