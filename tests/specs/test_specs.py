"""The objects that Tidegate owns, as they are sent: security, selectors, identities."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.api.model import ModelSpec, Scaling
from tidegate.domain.revision import attempt_key, digest, identity, revision_name
from tidegate.specs.autoscaler import autoscaler, disruption_budget
from tidegate.specs.container import CACHE_PATH, PodFacts
from tidegate.specs.deployment import deployment, first_deployment
from tidegate.specs.metadata import NOTHING, Parent, labels, selector
from tidegate.specs.pod import pod_template
from tidegate.specs.service import model_service, revision_service

PARENT = Parent("m", "demo", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})
SHA = "a" * 64


def a_spec(**changes: Any) -> ModelSpec:
    body: dict[str, Any] = {
        "artifact": {"uri": "https://models/v1", "format": "onnx"},
        "runtime": {"v2": {"env": [{"name": "A", "value": "1"}]}},
        **changes,
    }
    return ModelSpec.model_validate(body)


def a_template(*, claim: str | None = "cache", spec: ModelSpec | None = None) -> dict[str, Any]:
    facts = PodFacts(
        model="m",
        namespace="demo",
        revision="m-1",
        image="image:1",
        server_image="server:1",
        location="https://models/v1",
        sha256=SHA,
        size_limit_bytes=10,
        cache_claim=claim,
    )
    return pod_template(spec or a_spec(), facts)


# -- pods ---


def test_pods_meet_the_restricted_profile() -> None:
    pod = a_template()["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in [*pod["initContainers"], *pod["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
        assert all("hostPort" not in port for port in container.get("ports", ()))
    allowed = {"persistentVolumeClaim", "emptyDir", "configMap", "secret", "projected"}
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= allowed


@pytest.mark.parametrize("claim", ["cache", None])
def test_the_artifact_is_verified_before_the_server_sees_it_and_read_only_after(
    claim: str | None,
) -> None:
    pod = a_template(claim=claim)["spec"]
    (fetch,), (server,) = pod["initContainers"], pod["containers"]
    assert fetch["args"][fetch["args"].index("--sha256") + 1] == SHA
    mounts = {mount["mountPath"]: mount for mount in server["volumeMounts"]}
    assert mounts[CACHE_PATH]["readOnly"] is True
    env = {variable["name"]: variable.get("value") for variable in server["env"]}
    assert env["TIDEGATE_ARTIFACT"] == f"{CACHE_PATH}/sha256/{SHA}"
    assert env["TIDEGATE_SHA256"] == SHA
    kind = "persistentVolumeClaim" if claim else "emptyDir"
    assert (
        next(volume for volume in pod["volumes"] if volume["name"] == "cache").get(kind) is not None
    )


def test_a_models_env_adds_to_the_servers_own_and_never_replaces_it() -> None:
    theirs = [{"name": "TIDEGATE_SHA256", "value": "0"}, {"name": "OMP_NUM_THREADS", "value": "1"}]
    template = a_template(spec=a_spec(runtime={"v2": {"env": theirs}}))
    env = template["spec"]["containers"][0]["env"]
    names = [variable["name"] for variable in env]
    assert len(names) == len(set(names))
    values = {variable["name"]: variable.get("value") for variable in env}
    assert values["TIDEGATE_SHA256"] == SHA
    assert values["OMP_NUM_THREADS"] == "1"


def test_pod_ip_is_the_pods_own_even_when_the_model_names_it() -> None:
    template = a_template(spec=a_spec(runtime={"v2": {"env": [{"name": "POD_IP", "value": "0"}]}}))
    env = template["spec"]["containers"][0]["env"]
    assert [v for v in env if v["name"] == "POD_IP"] == [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    ]


def test_the_signature_reaches_the_server_as_json() -> None:
    signature = {
        "inputs": [{"name": "x", "type": "FP64"}],
        "outputs": [{"name": "y", "type": "FP64", "shape": [2]}],
    }
    template = a_template(spec=a_spec(signature=signature))
    env = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
    assert json.loads(env["TIDEGATE_SIGNATURE"]) == signature


def test_what_a_model_says_of_batches_and_limits_reaches_the_server() -> None:
    runtime = {
        "batching": {"maxSize": 16, "maxDelay": "5ms"},
        "limits": {"maxBody": "1.5Mi", "maxRows": 10, "maxInFlight": 7},
    }
    template = a_template(spec=a_spec(runtime={"v2": runtime}))
    env = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
    assert (env["TIDEGATE_BATCH_ROWS"], env["TIDEGATE_BATCH_DELAY_MS"]) == ("16", "5")
    assert env["TIDEGATE_MAX_BODY_BYTES"] == str(3 * 2**19)
    assert (env["TIDEGATE_MAX_ROWS"], env["TIDEGATE_MAX_PENDING"]) == ("10", "7")


@pytest.mark.parametrize(
    ("resources", "requests"),
    [
        ({}, {"cpu": "100m", "memory": "256Mi"}),
        ({"requests": {"cpu": "2"}}, {"cpu": "2", "memory": "256Mi"}),
        ({"limits": {"memory": "128Mi"}}, {"cpu": "100m", "memory": "128Mi"}),
        ({"limits": {"nvidia.com/gpu": 1}}, {"cpu": "100m", "memory": "256Mi"}),
    ],
)
def test_compute_is_asked_for_where_a_model_does_not_say(
    resources: dict[str, Any], requests: dict[str, str]
) -> None:
    template = a_template(spec=a_spec(runtime={"v2": {"resources": resources}}))
    found = template["spec"]["containers"][0]["resources"]
    assert found["requests"] == requests
    assert found.get("limits") == resources.get("limits")


def test_only_the_model_s_own_port_is_led_to_by_services() -> None:
    template = a_template()
    (server,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    env = {v["name"]: v.get("value") for v in server["env"]}
    assert env["TIDEGATE_PORT"] == str(ports["http"])
    assert env["TIDEGATE_METRICS_PORT"] == str(ports["metrics"])
    assert env["TIDEGATE_OUTPUTS_PORT"] == str(ports["outputs"])
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    for service in (model_service(PARENT, stable="m-1"), revision_service(PARENT, revision="m-1")):
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]


# -- Deployments, Services, autoscalers ---


def test_the_applied_deployment_has_no_replicas_and_the_first_has_one() -> None:
    applied = deployment(PARENT, revision="m-1", pod_template=a_template())
    assert "replicas" not in applied["spec"]
    first = first_deployment(PARENT, revision="m-1", pod_template=a_template())
    assert first["spec"].pop("replicas") == 1
    assert first == applied


def test_no_pod_of_a_revision_goes_before_another_one_serves() -> None:
    obj = deployment(PARENT, revision="m-1", pod_template=a_template())
    assert obj["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_one_serving_pod_of_a_revision_is_evicted_at_a_time_and_any_that_does_not_serve() -> None:
    budget = disruption_budget(PARENT, revision="m-1")["spec"]
    assert budget["selector"] == {"matchLabels": selector("m", "m-1")}
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_selectors_are_disjoint_minimal_and_match_the_pods() -> None:
    one = deployment(PARENT, revision="m-1", pod_template=a_template())["spec"]
    two = selector("m", "m-2")
    wanted = one["selector"]["matchLabels"]
    assert wanted == {"tidegate.dev/model": "m", "tidegate.dev/revision": "m-1"}
    assert wanted.items() <= one["template"]["metadata"]["labels"].items()
    assert not two.items() <= one["template"]["metadata"]["labels"].items()


def test_every_child_names_its_model_and_its_owner() -> None:
    scaling = Scaling(min_replicas=1, max_replicas=3)
    children = [
        deployment(PARENT, revision="m-1", pod_template=a_template()),
        revision_service(PARENT, revision="m-1"),
        disruption_budget(PARENT, revision="m-1"),
        autoscaler(PARENT, revision="m-1", floor=2, scaling=scaling),
    ]
    for child in children:
        assert child["metadata"]["labels"] == labels("m", "m-1")
        assert child["metadata"]["ownerReferences"] == [PARENT.reference]


def test_the_models_service_selects_stable_or_nothing() -> None:
    before = model_service(PARENT, stable=None)["spec"]["selector"]
    assert before["tidegate.dev/revision"] == NOTHING
    after = model_service(PARENT, stable="m-1")["spec"]["selector"]
    assert after["tidegate.dev/revision"] == "m-1"


@pytest.mark.parametrize(("floor", "most"), [(1, 3), (3, 3), (7, 7)])
def test_an_autoscaler_never_goes_below_its_floor(floor: int, most: int) -> None:
    scaling = Scaling(min_replicas=1, max_replicas=3)
    spec = autoscaler(PARENT, revision="m-1", floor=floor, scaling=scaling)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (floor, most)


# -- identities ---


def of(spec: ModelSpec, *, sha256: str = SHA, image: str = "image:1") -> str:
    return digest(identity(spec, sha256=sha256, image=image))


@pytest.mark.parametrize(
    "changes",
    [
        {"scaling": {"minReplicas": 4, "maxReplicas": 9, "targetCPU": 20}},
        {"delivery": "Rollout"},
        {"traffic": {"gatewayAPI": {"parentRefs": [{"name": "g"}], "hostnames": ["a.b"]}}},
        {"artifact": {"uri": "https://elsewhere/v1", "format": "onnx", "pollInterval": "9m"}},
        {"artifact": {"uri": "s3://a/b", "format": "onnx", "credentialsRef": {"name": "r"}}},
        {"revisionHistoryLimit": 3},
    ],
)
def test_what_replaces_no_pods_is_not_in_the_digest(changes: dict[str, Any]) -> None:
    assert of(a_spec(**changes)) == of(a_spec())


@pytest.mark.parametrize(
    "changes",
    [
        {"artifact": {"uri": "https://models/v1", "format": "sklearn-skops"}},
        {"runtime": {"v2": {"env": [{"name": "A", "value": "2"}]}}},
        {"runtime": {"v2": {"resources": {"limits": {"memory": "1Gi"}}}}},
        {"runtime": {"v2": {"env": [{"name": "A", "value": "1"}], "batching": {}}}},
        {"runtime": {"v2": {"env": [{"name": "A", "value": "1"}], "limits": {"maxRows": 1}}}},
        {"runtime": {"custom": {"image": "a:1", "port": 9000, "readyPath": "/ready"}}},
        {"runtime": {"seldon": {}}},
        {"runtime": {"seldon": {"threads": 8}}},
        {"artifact": {"uri": "https://models/v1", "format": "mlflow", "allowPickle": True}},
        {
            "signature": {
                "inputs": [{"name": "x", "type": "FP64"}],
                "outputs": [{"name": "y", "type": "FP64"}],
            }
        },
    ],
)
def test_what_replaces_pods_is_in_the_digest(changes: dict[str, Any]) -> None:
    assert of(a_spec(**changes)) != of(a_spec())


def test_content_and_image_are_in_the_digest_and_the_order_of_env_is_not() -> None:
    assert of(a_spec(), sha256="b" * 64) != of(a_spec())
    assert of(a_spec(), image="image:2") != of(a_spec())
    env = [{"name": "B", "value": "1"}, {"name": "A", "value": "1"}]
    one, two = ({"v2": {"env": list(order)}} for order in (env, reversed(env)))
    assert of(a_spec(runtime=one)) == of(a_spec(runtime=two))


def test_a_digest_stays_what_it_was_before_fields_were_added() -> None:
    """Else an upgrade of the operator would replace every pod."""
    assert of(a_spec()) == ("5308faa19346842b64369a077e14baa44bf072d11e91ac35bb1cefed62c006be")
    assert identity(a_spec(), sha256=SHA, image="image:1")["runtime"] == {
        "name": "v2",
        "image": "image:1",
        "env": [{"name": "A", "value": "1"}],
        "resources": {},
    }


def test_names_stay_short_enough_for_a_service() -> None:
    assert len(revision_name("m" * 40, of(a_spec()))) <= 63
    assert attempt_key({"a": 1}) == attempt_key({"a": 1}) != attempt_key({"a": 2})
