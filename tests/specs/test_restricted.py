"""Every pod that Tidegate makes is admitted by the restricted Pod Security Standard, writes to no
root, holds no token, and says what compute it needs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from tests.backends.rendered import KSERVE, NEW, SELDON, predictor
from tests.specs import test_comparer, test_custom, test_seldon
from tests.specs.restricted import containers_of, violations
from tests.specs.test_specs import PARENT, SHA, a_spec, a_template

from tidegate.api.gate import Gate
from tidegate.specs.container import DEFAULT_REQUESTS, PodFacts
from tidegate.specs.gate import gate_job
from tidegate.specs.inspection import Inspection, inspection_job
from tidegate.specs.pod import pod_template, twin_template

if TYPE_CHECKING:
    from collections.abc import Callable

type Object = dict[str, Any]

GATE = Gate.model_validate(
    {"name": "apart", "job": {"image": "judge:1", "env": [{"name": "MOST", "value": "1"}]}}
)
WITH_SECRET = {"uri": "dvc://host/team/models//m?rev=main", "format": "onnx"} | {
    "credentialsRef": {"name": "login"}
}


def a_gate() -> Object:
    job = gate_job(PARENT, GATE, revision="m-1", gate_hash="0" * 16, url="http://10.0.0.9:8080")
    return dict(job["spec"]["template"])


def an_inspection() -> Object:
    wanted = Inspection(
        artifact=a_spec(artifact=WITH_SECRET).artifact, url="https://host/team/models",
        commit="c" * 40, path="m", image="dvc:1", size_limit_bytes=10,
    )  # fmt: skip
    return dict(inspection_job(PARENT, wanted, attempt=1)["spec"]["template"])


def fetched_from(artifact: Object, location: str) -> Object:
    """A pod of the runtime v2 whose artifact comes from somewhere else."""
    facts = PodFacts(
        model="m", namespace="demo", revision="m-1", image="image:1", server_image="server:1",
        location=location, sha256=SHA, size_limit_bytes=10, cache_claim=None, kind="tree",
    )  # fmt: skip
    return pod_template(a_spec(artifact=artifact), facts)


def by_secret() -> Object:
    uri = "s3://models/m/"
    artifact = {"uri": uri, "format": "onnx", "credentialsRef": {"name": "login"}}
    return fetched_from(artifact, uri)


def from_claim() -> Object:
    uri = "pvc://models/m/"
    return fetched_from({"uri": uri, "format": "onnx"}, uri)


PODS: dict[str, Callable[[], Object]] = {
    "v2": a_template,
    "v2 without a cache": lambda: a_template(claim=None),
    "v2 from a store with a Secret": by_secret,
    "v2 from a claim": from_claim,
    "a twin": lambda: twin_template(a_template(), model="m", of="m-1", name="m-2"),
    "seldon": lambda: test_seldon.server()[0],
    "custom": test_custom.pod,
    "custom with mapped metrics": lambda: test_custom.pod(metrics=test_custom.METRICS),
    "comparer": lambda: dict(test_comparer.a_comparer()["spec"]["template"]),
    "a gate's Job": a_gate,
    "the Job that looks into a repository": an_inspection,
}


@pytest.mark.parametrize("name", PODS)
def test_it_is_admitted_has_no_token_and_writes_to_no_root(name: str) -> None:
    template = PODS[name]()
    assert violations(template) == []
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["securityContext"]["runAsUser"] > 0
    for container in containers_of(template):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert DEFAULT_REQUESTS.keys() <= container["resources"]["requests"].keys()
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        for mount in container["volumeMounts"]:
            assert mount["name"] in {volume["name"] for volume in template["spec"]["volumes"]}


def seldon_pod() -> Object:
    return dict(predictor(SELDON, NEW)["componentSpecs"][0])


def kserve_pod() -> Object:
    """KServe's entry holds the fields of a pod, and of its one container under `model`."""
    entry = predictor(KSERVE, NEW)
    return {"spec": {**entry, "containers": [entry["model"]]}}


@pytest.mark.parametrize("made", [seldon_pod, kserve_pod])
def test_what_a_backend_is_told_of_its_server_is_admitted_too(made: Callable[[], Object]) -> None:
    template = made()
    assert violations(template) == []
    assert template["spec"]["automountServiceAccountToken"] is False
    (container,) = template["spec"]["containers"]
    assert DEFAULT_REQUESTS.keys() <= container["resources"]["requests"].keys()


def changed(template: Object, path: str, value: Any) -> Object:
    """The template with one thing changed; `container` is its first."""
    other: Any = copy.deepcopy(template)
    node = other["spec"]
    first, _, rest = path.partition(".")
    if first == "container":
        node, path = node["containers"][0], rest
    *parts, last = path.split(".")
    for part in parts:
        node = node.setdefault(part, {})
    node[last] = value
    return dict(other)


FORBIDDEN: tuple[tuple[str, Any], ...] = (
    ("hostNetwork", True),
    ("hostPID", True),
    ("hostIPC", True),
    ("volumes", [{"name": "host", "hostPath": {"path": "/"}}]),
    ("volumes", [{"name": "share", "nfs": {"path": "/", "server": "x"}}]),
    ("securityContext.runAsNonRoot", False),
    ("securityContext.runAsUser", 0),
    ("securityContext.seccompProfile", {"type": "Unconfined"}),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}),
    ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ("securityContext.windowsOptions", {"hostProcess": True}),
    ("securityContext", {"runAsNonRoot": True}),
    ("securityContext", {"seccompProfile": {"type": "RuntimeDefault"}}),
    ("container.securityContext.allowPrivilegeEscalation", True),
    ("container.securityContext.privileged", True),
    ("container.securityContext.procMount", "Unmasked"),
    ("container.securityContext.capabilities", {"drop": ["KILL"]}),
    ("container.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    ("container.securityContext.runAsNonRoot", False),
    ("container.securityContext.runAsUser", 0),
    ("container.securityContext", {}),
    ("container.ports", [{"hostPort": 80, "containerPort": 80}]),
    ("container.livenessProbe.httpGet.host", "elsewhere"),
    ("container.lifecycle", {"preStop": {"httpGet": {"host": "elsewhere"}}}),
)


@pytest.mark.parametrize(("path", "value"), FORBIDDEN)
def test_the_check_itself_finds_what_is_forbidden(path: str, value: Any) -> None:
    assert violations(changed(a_template(), path, value)) != []
