"""What the containers of a model pod have in common: user, room to write, compute, probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.api.resources import Resources

type Object = dict[str, Any]

PORT = 8080
METRICS_PORT = 8081
OUTPUTS_PORT = 8082
"""Apart from PORT, which the gateway leads everybody to: what others asked and were answered is for
Prometheus and the comparer. No Service names them."""
CACHE_PATH = "/var/cache/tidegate"
SCRATCH_PATH = "/var/tmp/tidegate"
STARTUP_LIMIT_S = 600
USER = 65532
RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the restricted Pod Security Standard asks of a container whose pod is somebody else's: which
user it runs as, and whether its root may be written, is its image's to know."""
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
"""Asked for where a Model does not say: a pod without requests goes first when a node is short, and
an autoscaler of CPU cannot work for it."""


@dataclass(frozen=True)
class PodFacts:
    """What a template is rendered from, beside the Model's spec.

    `image` is that of the runtime v2, which fetches whatever serves; `server_image` is that of the
    server. `location` is where the artifact is fetched from when the cache does not hold it, as a
    file or a tree (a folder; `sha256` is then that of its manifest); `cache_claim` is the
    PersistentVolumeClaim with the content-addressed cache, None for an emptyDir of each pod's own;
    `cache_limit_bytes` its limit, 0 for none. `size` is the artifact's in bytes, 0 where nobody
    knows.
    """

    model: str
    namespace: str
    revision: str
    image: str
    server_image: str
    location: str
    sha256: str
    size_limit_bytes: int
    cache_claim: str | None
    kind: Literal["file", "tree"] = "file"
    size: int = 0
    cache_limit_bytes: int = 0

    @property
    def artifact(self) -> str:
        """Where the artifact is in a container that mounts the cache."""
        return f"{CACHE_PATH}/sha256/{self.sha256}"


def base_container(name: str, image: str, *, cache_read_only: bool) -> Object:
    """A container of the restricted Pod Security Standard, with the cache and room to write."""
    mount: Object = {"name": "cache", "mountPath": CACHE_PATH}
    if cache_read_only:
        mount["readOnly"] = True
    return {
        "name": name,
        "image": image,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [mount, {"name": "scratch", "mountPath": SCRATCH_PATH}],
    }


def resources_of(resources: Resources) -> Object:
    """Compute as Kubernetes writes it, with requests where none are said.

    A limit below the default request is the request: Kubernetes refuses a request above its limit.
    """
    wire = resources.wire()
    limits = wire.get("limits", {})
    requests = {
        name: limits.get(name, amount) for name, amount in DEFAULT_REQUESTS.items()
    } | wire.get("requests", {})
    return {**wire, "requests": requests}


def port(name: str, number: int) -> Object:
    """A named TCP port of a container."""
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def pod_ip() -> Object:
    """The variable POD_IP: the pod's own address."""
    return {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def http_probe(path: str, *, period: int, failures: int, port: str = "http") -> Object:
    """An HTTP probe; `period` in seconds."""
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
