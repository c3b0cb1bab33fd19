"""Pods of the runtime custom: what an image of others is told, where the artifact stands, how it is
asked and ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.api.model import ModelSpec
from tidegate.domain.revision import digest, identity
from tidegate.specs.container import PodFacts
from tidegate.specs.pod import pod_template

SHA = "a" * 64
METRICS = {
    "port": 8002,
    "requests": [{"name": "nv_inference_request_success", "code": 200}],
    "latency": {"name": "request_seconds"},
}


def a_spec(**changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "artifact": {"uri": "https://models/v1", "format": "custom"},
            "runtime": {
                "custom": {
                    "image": "registry/server:1",
                    "args": ["serve"],
                    "port": 8000,
                    "readyPath": "/v2/health/ready",
                    "env": [{"name": "HOME", "value": "/home/me"}, {"name": "A", "value": "1"}],
                    **changes,
                }
            },
        }
    )


def pod(**changes: Any) -> dict[str, Any]:
    facts = PodFacts(
        model="m",
        namespace="demo",
        revision="m-1",
        image="tidegate:1",
        server_image="registry/server:1",
        location="https://models/v1",
        sha256=SHA,
        size_limit_bytes=10,
        cache_claim="cache",
    )
    return pod_template(a_spec(**changes), facts)


def container(template: dict[str, Any], name: str) -> dict[str, Any]:
    spec = template["spec"]
    found: dict[str, Any] = next(
        each for each in [*spec["initContainers"], *spec["containers"]] if each["name"] == name
    )
    return found


def test_the_artifact_stands_where_the_image_looks_for_it_and_is_fetched_by_ours() -> None:
    template = pod(artifactPath="/models/one")
    assert container(template, "fetch")["image"] == "tidegate:1"
    server = container(template, "server")
    assert server["image"] == "registry/server:1"
    (mount,) = [each for each in server["volumeMounts"] if each["name"] == "cache"]
    assert mount == {
        "name": "cache",
        "mountPath": "/models/one",
        "subPath": f"sha256/{SHA}",
        "readOnly": True,
    }
    env = {each["name"]: each.get("value") for each in server["env"]}
    assert env["TIDEGATE_ARTIFACT"] == "/models/one"
    assert env["TIDEGATE_REVISION"] == "m-1"
    assert (env["HOME"], env["A"]) == ("/home/me", "1")
    assert "command" not in server
    assert server["args"] == ["serve"]


def test_it_meets_the_restricted_profile_and_has_room_to_write() -> None:
    template = pod(metrics=METRICS)
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["automountServiceAccountToken"] is False
    for each in [*template["spec"]["initContainers"], *template["spec"]["containers"]]:
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounted = {each["mountPath"] for each in container(template, "server")["volumeMounts"]}
    assert {"/tmp", "/var/tmp/tidegate"} <= mounted
    assert {"name": "tmp", "emptyDir": {}} in template["spec"]["volumes"]


def test_it_is_ready_by_its_own_word_and_answers_a_while_before_it_is_told_to_end() -> None:
    template = pod(drain="7s", livePath="/v2/health/live")
    server = container(template, "server")
    assert server["ports"] == [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]
    for probe in ("startupProbe", "readinessProbe"):
        assert server[probe]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
    assert server["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert server["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert template["spec"]["terminationGracePeriodSeconds"] == 27
    assert container(pod(), "server")["livenessProbe"]["tcpSocket"] == {"port": "http"}


def test_its_metrics_are_scraped_from_the_sidecar_and_not_at_all_where_none_are_mapped() -> None:
    template = pod(metrics=METRICS)
    sidecar = container(template, "metrics")
    assert sidecar["image"] == "tidegate:1"
    env = {each["name"]: each.get("value") for each in sidecar["env"]}
    assert json.loads(env["TIDEGATE_MAPPING"])["requests"][0]["code"] == 200
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(sidecar["ports"][0]["containerPort"])
    bare = pod()
    assert bare["metadata"]["annotations"] == {}
    assert [each["name"] for each in bare["spec"]["containers"]] == ["server"]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"image": "registry/server:2"}, False),
        ({"args": ["serve", "--fast"]}, False),
        ({"metrics": METRICS}, False),
        ({"env": [{"name": "A", "value": "1"}, {"name": "HOME", "value": "/home/me"}]}, True),
    ],
)
def test_everything_but_the_order_of_env_makes_another_revision(
    changes: dict[str, Any], same: bool
) -> None:
    def of(spec: ModelSpec) -> str:
        return digest(identity(spec, sha256=SHA, image="tidegate:1"))

    assert (of(a_spec(**changes)) == of(a_spec())) is same


def test_the_operators_own_image_is_no_part_of_it() -> None:
    one, two = (identity(a_spec(), sha256=SHA, image=image) for image in ("a:1", "a:2"))
    assert one == two
