"""A container's environment is what Kubernetes would give it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tidegate.local.node.environment import (
    Sources,
    command_line,
    content_of,
    declared,
    expand,
    needed_sources,
    service_variables,
)
from tidegate.local.node.refusals import ConfigProblem

POD = {"metadata": {"name": "p", "namespace": "demo", "uid": "u"}, "spec": {"nodeName": "local"}}
SOURCES = Sources(
    found={
        ("configMap", "cfg"): {"a": b"1", "not a name": b"x"},
        ("secret", "sec"): {"token": b"s3cret"},
    },
    machine={"cpu": 2.0, "memory": 2.0**30},
)


def variables(container: dict[str, Any], **base: str) -> dict[str, str]:
    return declared(container, POD, base=base, sources=SOURCES, address="127.64.0.9")


def from_(name: str, **origin: Any) -> dict[str, Any]:
    return {"name": name, "valueFrom": origin}


def test_references_are_expanded_from_what_stands_before() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)/$(HOST)/$(C)/$$(A)"}]
    assert variables({"env": env}, HOST="h")["B"] == "1/h/$(C)/$(A)"


@pytest.mark.parametrize(
    ("text", "expected"), [("$(A)$(A)", "11"), ("$A", "$A"), ("$()", "$()"), ("$$", "$")]
)
def test_only_a_reference_is_expanded(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_values_come_from_fields_resources_config_maps_and_secrets() -> None:
    container = {
        "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}},
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cfg"}}],
        "env": [
            from_("NODE", fieldRef={"fieldPath": "spec.nodeName"}),
            from_("IP", fieldRef={"fieldPath": "status.podIP"}),
            from_("CPU", resourceFieldRef={"resource": "limits.cpu"}),
            from_("MB", resourceFieldRef={"resource": "requests.memory", "divisor": "1Mi"}),
            from_("ALL", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
            from_("A", configMapKeyRef={"name": "cfg", "key": "a"}),
            from_("T", secretKeyRef={"name": "sec", "key": "token"}),
            from_("NONE", configMapKeyRef={"name": "cfg", "key": "z", "optional": True}),
        ],
    }
    assert variables(container) == {
        "P_a": "1",
        "NODE": "local",
        "IP": "127.64.0.9",
        "CPU": "2",
        "MB": "64",
        "ALL": "1024",
        "A": "1",
        "T": "s3cret",
    }
    assert needed_sources(container) == {("configMap", "cfg"), ("secret", "sec")}


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"configMapKeyRef": {"name": "x", "key": "a"}}, 'configmap "x" not found'),
        (
            {"secretKeyRef": {"name": "sec", "key": "z"}},
            "couldn't find key z in Secret demo/sec",
        ),
        ({"fieldRef": {"fieldPath": "spec.colour"}}, "unsupported fieldPath: spec.colour"),
    ],
)
def test_what_is_missing_is_named(origin: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigProblem, match=message):
        variables({"env": [from_("A", **origin)]})


def test_a_command_line_is_command_and_arguments_expanded() -> None:
    container = {"name": "c", "command": ["run", "$(A)"], "args": ["--b=$(B)"]}
    assert command_line(container, {"A": "1"}) == ["run", "1", "--b=$(B)"]


def test_a_container_without_a_command_is_told_why_it_needs_one() -> None:
    with pytest.raises(ConfigProblem, match="have no entry point"):
        command_line({"name": "c", "args": ["x"]}, {})


def test_sources_are_decoded() -> None:
    secret = {"data": {"k": base64.b64encode(b"v").decode()}}
    assert content_of(secret, "secret") == {"k": b"v"}
    assert content_of({"data": {"k": "v"}}, "configMap") == {"k": b"v"}
    with pytest.raises(ConfigProblem, match="not base64"):
        content_of({"data": {"k": "v"}}, "secret")


def test_services_are_announced_by_variables_except_the_api_servers_own() -> None:
    ports = [{"name": "http", "port": 80}, {"name": "g-rpc", "port": 90}]
    found = service_variables(
        [
            {"metadata": {"name": "my-web"}, "spec": {"clusterIP": "127.128.0.2", "ports": ports}},
            {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", "ports": ports}},
            {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "1", "ports": ports}},
        ]
    )
    assert found == {
        "MY_WEB_SERVICE_HOST": "127.128.0.2",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_SERVICE_PORT_G_RPC": "90",
    }
