"""The built-in kinds: complete enough to default, prune, patch and apply what people write."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tidegate.local.schema import builtin, generate
from tidegate.local.schema.structural import check_structural, default, prune, validate


def at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema below a path of field names; `[]` is an item."""
    for name in path.split("."):
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema


_POD = "spec.template.spec"


@pytest.mark.parametrize(
    ("kind", "path", "list_type", "keys", "merge_key"),
    [
        ("apps/Deployment", f"{_POD}.containers", "map", ["name"], "name"),
        ("apps/Deployment", f"{_POD}.initContainers", "map", ["name"], "name"),
        ("apps/Deployment", f"{_POD}.volumes", "map", ["name"], "name"),
        ("apps/Deployment", f"{_POD}.imagePullSecrets", "map", ["name"], "name"),
        ("apps/Deployment", f"{_POD}.containers.[].env", "map", ["name"], "name"),
        (
            "apps/Deployment",
            f"{_POD}.containers.[].ports",
            "map",
            ["containerPort", "protocol"],
            "containerPort",
        ),
        (
            "apps/Deployment",
            f"{_POD}.containers.[].volumeMounts",
            "map",
            ["mountPath"],
            "mountPath",
        ),
        ("apps/Deployment", f"{_POD}.tolerations", None, None, None),
        ("apps/Deployment", "status.conditions", "map", ["type"], "type"),
        ("apps/Deployment", "metadata.ownerReferences", "map", ["uid"], "uid"),
        ("apps/Deployment", "metadata.finalizers", "set", None, None),
        ("/Service", "spec.ports", "map", ["port", "protocol"], "port"),
        ("/Node", "status.addresses", "map", ["type"], "type"),
        ("/Pod", "status.podIPs", "map", ["ip"], "ip"),
    ],
)
def test_lists_merge_as_the_api_says(
    kind: str, path: str, list_type: str | None, keys: list[str] | None, merge_key: str | None
) -> None:
    group, name = kind.split("/")
    schema = at(builtin.schema_for(group, "v1", name), path)
    assert schema.get("x-kubernetes-list-type") == list_type
    assert schema.get("x-kubernetes-list-map-keys") == keys
    assert schema.get("x-kubernetes-patch-merge-key") == merge_key


def test_selectors_and_references_are_owned_as_a_whole() -> None:
    deployment = builtin.schema_for("apps", "v1", "Deployment")
    assert at(deployment, "spec.selector")["x-kubernetes-map-type"] == "atomic"
    service = builtin.schema_for("", "v1", "Service")
    assert at(service, "spec.selector")["x-kubernetes-map-type"] == "atomic"
    autoscaler = builtin.schema_for("autoscaling", "v2", "HorizontalPodAutoscaler")
    assert "x-kubernetes-list-type" not in at(autoscaler, "spec.metrics")


def test_every_kind_has_a_schema_and_a_definition() -> None:
    definitions = builtin.definitions()
    for group, version, kind in builtin.known_kinds():
        schema = builtin.schema_for(group, version, kind)
        assert {"apiVersion", "kind"} <= schema["properties"].keys()
        assert builtin.definition_name(group, version, kind) in definitions
        assert builtin.is_builtin(group, version, kind)
    assert not builtin.is_builtin("", "v1", "Widget")
    with pytest.raises(KeyError):
        builtin.schema_for("", "v1", "Widget")
    references = set(json.dumps(definitions).split('"#/components/schemas/')[1:])
    assert {one.partition('"')[0] for one in references} <= definitions.keys()


def test_a_deployment_that_people_write_is_valid() -> None:
    container = {
        "name": "app",
        "image": "example/app:1",
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"app": "d"}},
        "spec": {
            "selector": {"matchLabels": {"app": "d"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "d"}},
                "spec": {"containers": [container]},
            },
        },
    }
    schema = builtin.schema_for("apps", "v1", "Deployment")
    pruned, unknown = prune(schema, {**deployment, "specc": {}})
    assert unknown == ["specc"]
    filled = default(schema, pruned)
    assert validate(schema, filled) == []
    made = filled["spec"]["template"]["spec"]["containers"][0]
    assert made["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert made["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"replicas": "two"},
            (
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas "
                "of type int32"
            ),
        ),
        (
            {"template": {"spec": {"containers": [{"name": 5}]}}},
            (
                "json: cannot unmarshal number into Go struct field "
                "Container.spec.template.spec.containers.name of type string"
            ),
        ),
        ({"replicas": 2, "paused": None}, None),
    ],
)
def test_a_value_that_go_could_not_decode_is_named(spec: dict[str, Any], text: str | None) -> None:
    schema = builtin.schema_for("apps", "v1", "Deployment")
    assert builtin.decode_problem(schema, {"kind": "Deployment", "spec": spec}) == text


@pytest.mark.parametrize("kind", ["Gateway", "GatewayClass", "HTTPRoute"])
def test_the_gateway_kinds_could_be_served_as_custom_resources(kind: str) -> None:
    schema = builtin.schema_for("gateway.networking.k8s.io", "v1", kind)
    # A custom resource may not declare the metadata that a built-in kind has.
    properties = {name: one for name, one in schema["properties"].items() if name != "metadata"}
    assert check_structural({**schema, "properties": properties}) == []


def test_a_route_is_completed_and_judged() -> None:
    schema = builtin.schema_for("gateway.networking.k8s.io", "v1", "HTTPRoute")
    rule: dict[str, Any] = {"backendRefs": [{"name": "a", "port": 80}]}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"name": "g"}], "rules": [rule]},
    }
    filled = default(schema, route)
    assert validate(schema, filled) == []
    assert filled["spec"]["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    ]
    assert filled["spec"]["rules"][0] == {
        "backendRefs": [{"group": "", "kind": "Service", "name": "a", "port": 80, "weight": 1}],
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
    }
    rule["backendRefs"][0]["weight"] = -1
    assert [one.field for one in validate(schema, default(schema, route))] == [
        "spec.rules[0].backendRefs[0].weight"
    ]


def test_the_file_of_fields_is_what_the_client_library_says() -> None:
    written = json.loads(generate.TARGET.read_text())
    assert written == generate.definitions()


def test_importing_the_schemas_imports_neither_the_client_library_nor_the_rule_engine() -> None:
    code = (
        "import sys, tidegate.local.schema.builtin as b; b.schema_for('', 'v1', 'Pod'); "
        "sys.exit(bool({'kubernetes', 'cel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False, env=_environment())
    assert done.returncode == 0


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}
