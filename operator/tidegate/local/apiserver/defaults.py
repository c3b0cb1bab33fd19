"""What built-in kinds are completed with, as controllers and kubectl rely on it.

Each function changes the object in place. Values are those of a real server.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.admission.defaults import DEFAULTS as ADMISSION_DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.messages import Obj


def _fill(target: Obj, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def pod_spec(spec: Obj) -> None:
    """A pod's spec, whether of a Pod or of a template."""
    _fill(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
        },
    )
    spec.setdefault("securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Obj) -> None:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = "@" not in image and tag in ("", "latest")
    _fill(
        container,
        {
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "Always" if latest else "IfNotPresent",
        },
    )
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        _fill(port, {"protocol": "TCP"})
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            _fill(reference, {"apiVersion": "v1"})
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            _probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet"):
            _fill(hook["httpGet"], {"scheme": "HTTP", "path": "/"})
    requests = container["resources"].get("limits")
    if requests:
        wanted = container["resources"].setdefault("requests", {})
        _fill(wanted, requests)


def _probe(probe: Obj) -> None:
    _fill(probe, {"timeoutSeconds": 1, "periodSeconds": 10})
    _fill(probe, {"successThreshold": 1, "failureThreshold": 3})
    if probe.get("httpGet"):
        _fill(probe["httpGet"], {"path": "/", "scheme": "HTTP"})


def _volume(volume: Obj) -> None:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(source) is not None:
            _fill(volume[source], {"defaultMode": 420})


def pod(obj: Obj) -> None:
    """A Pod: its spec, and a status to begin with."""
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _fill(spec, {"enableServiceLinks": True})


def _template(spec: Obj) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        metadata = template.setdefault("metadata", {})
        if metadata.get("creationTimestamp", "") is None:
            del metadata["creationTimestamp"]
        pod_spec(template.setdefault("spec", {}))


def deployment(obj: Obj) -> None:
    """A Deployment."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    _fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        _fill(rolling, {"maxUnavailable": "25%", "maxSurge": "25%"})
    _template(spec)


def replica_set(obj: Obj) -> None:
    """A ReplicaSet."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"replicas": 1})
    _template(spec)


def job(obj: Obj) -> None:
    """A Job; without labels of its own it has those of its pods."""
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(spec, {"parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed"})
    _fill(
        spec,
        {"suspend": False, "manualSelector": False, "podReplacementPolicy": "TerminatingOrFailed"},
    )
    _template(spec)
    labels = spec.get("template", {}).get("metadata", {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def cron_job(obj: Obj) -> None:
    """A CronJob."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"concurrencyPolicy": "Allow", "suspend": False})
    _fill(spec, {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1})
    _template((spec.get("jobTemplate") or {}).get("spec") or {})


def service(obj: Obj) -> None:
    """A Service, but for its address, which is allocated."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    for port in spec.get("ports") or ():
        _fill(port, {"protocol": "TCP"})
        _fill(port, {"targetPort": port.get("port")})
    if spec["type"] != "ExternalName":
        _fill(spec, {"internalTrafficPolicy": "Cluster"})


def horizontal_pod_autoscaler(obj: Obj) -> None:
    """An autoscaler."""
    spec = obj.setdefault("spec", {})
    _fill(spec, {"minReplicas": 1})
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def namespace(obj: Obj) -> None:
    """A Namespace."""
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"][
        "name"
    ]


def persistent_volume_claim(obj: Obj) -> None:
    """A claim."""
    _fill(obj.setdefault("spec", {}), {"volumeMode": "Filesystem"})


def secret(obj: Obj) -> None:
    """A Secret: `stringData` goes into `data`."""
    _fill(obj, {"type": "Opaque"})
    plain = obj.pop("stringData", None)
    if isinstance(plain, dict):
        data = obj.get("data") or {}
        data.update({k: base64.b64encode(str(v).encode()).decode() for k, v in plain.items()})
        obj["data"] = data


def role_binding(obj: Obj) -> None:
    """A RoleBinding or ClusterRoleBinding."""
    _fill(obj.setdefault("roleRef", {}), {"apiGroup": "rbac.authorization.k8s.io"})
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, {"apiGroup": "rbac.authorization.k8s.io"})


def http_route(obj: Obj) -> None:
    """An HTTPRoute, with the defaults of the Gateway API."""
    spec = obj.setdefault("spec", {})
    for parent in spec.get("parentRefs") or ():
        _fill(parent, {"group": "gateway.networking.k8s.io", "kind": "Gateway"})
    if spec.get("rules") is None:
        spec["rules"] = [{}]
    for rule in spec["rules"]:
        if not rule.get("matches"):
            rule["matches"] = [{}]
        for match in rule["matches"]:
            if match.get("path") is None:
                match["path"] = {}
            _fill(match["path"], {"type": "PathPrefix", "value": "/"})
            for header in (*(match.get("headers") or ()), *(match.get("queryParams") or ())):
                _fill(header, {"type": "Exact"})
        for backend in rule.get("backendRefs") or ():
            _fill(backend, {"group": "", "kind": "Service", "weight": 1})
        for one in rule.get("filters") or ():
            mirror = (one.get("requestMirror") or {}).get("backendRef")
            if mirror:
                _fill(mirror, {"group": "", "kind": "Service"})


def gateway(obj: Obj) -> None:
    """A Gateway."""
    for listener in obj.setdefault("spec", {}).get("listeners") or ():
        allowed = listener.setdefault("allowedRoutes", {})
        _fill(allowed.setdefault("namespaces", {}), {"from": "Same"})


def custom_resource_definition(obj: Obj) -> None:
    """A CRD: names that follow from others, and no conversion."""
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    _fill(names, {"singular": kind.lower(), "listKind": f"{kind}List"})
    _fill(spec, {"conversion": {"strategy": "None"}})
    for version in spec.get("versions") or ():
        if not isinstance(version, dict):
            continue
        if version.get("deprecated") is False:
            del version["deprecated"]


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "/pods": pod,
    "/services": service,
    "/namespaces": namespace,
    "/secrets": secret,
    "/persistentvolumeclaims": persistent_volume_claim,
    "apps/deployments": deployment,
    "apps/replicasets": replica_set,
    "batch/jobs": job,
    "batch/cronjobs": cron_job,
    "autoscaling/horizontalpodautoscalers": horizontal_pod_autoscaler,
    "rbac.authorization.k8s.io/rolebindings": role_binding,
    "rbac.authorization.k8s.io/clusterrolebindings": role_binding,
    "gateway.networking.k8s.io/httproutes": http_route,
    "gateway.networking.k8s.io/gateways": gateway,
    "apiextensions.k8s.io/customresourcedefinitions": custom_resource_definition,
    **ADMISSION_DEFAULTS,
}
