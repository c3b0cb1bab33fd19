"""What a pod may not ask of this node, and the errors that end in a container's `waiting` state.

What the node cannot do, and a pod would miss, fails the pod in words. Without effect are only what
fences a container in (security contexts, limits) and what chooses among nodes: there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_ERROR = "CreateContainerConfigError"
ERR_IMAGE_PULL = "ErrImagePull"
START_ERROR = "StartError"
ERR_POD_NETWORK = "ErrPodNetwork"

_VOLUMES = {
    "name",
    "emptyDir",
    "configMap",
    "secret",
    "persistentVolumeClaim",
    "hostPath",
    "projected",
    "downwardAPI",
}
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class ConfigProblem(Exception):
    """A container cannot be made as declared; the message is for people. It may heal."""


class ImageProblem(Exception):
    """The image table does not know the image; the message names the table."""


class NetworkProblem(Exception):
    """The pod cannot have a network of its own; the message says why, and what to do."""


def refusal(pod: Mapping[str, Any]) -> str | None:
    """Return why this node cannot run the pod at all; None when it can."""
    spec = pod["spec"]
    if spec.get("activeDeadlineSeconds") is not None:
        return "the local node has no activeDeadlineSeconds for pods; a Job has its own"
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy"):
            return f"init container {container['name']}: the local node runs no sidecar containers"
    for container in spec["containers"]:
        if (container.get("lifecycle") or {}).get("postStart"):
            return f"container {container['name']}: the local node has no postStart hooks"
        for kind in _PROBES:
            if "grpc" in (container.get(kind) or {}):
                return f"container {container['name']}: the local node has no gRPC probes"
    for volume in spec.get("volumes") or []:
        unknown = set(volume) - _VOLUMES
        if unknown:
            return f"volume {volume['name']}: the local node has no {', '.join(sorted(unknown))}"
    return None
