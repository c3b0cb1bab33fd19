"""The comparer of a shadow step: its Deployment.

Its pods carry the Model's label and a component of their own, but no revision: no selector of an
arm, of the Model's Service or of a disruption budget ever matches them. Which pods it reads stands
in its template: when an arm's pods change it is started anew, and then counts from 0 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.specs.container import METRICS_PORT, OUTPUTS_PORT, SCRATCH_PATH
from tidegate.specs.metadata import MANAGED_BY, MODEL_LABEL, child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.specs.metadata import Object, Parent

COMPONENT_LABEL = "app.kubernetes.io/component"
COMPONENT = "comparer"
_NAME_LABEL = "app.kubernetes.io/name"
_USER = 65532
_MAX_HOSTS = 200


@dataclass(frozen=True)
class ComparedArm:
    """A revision, and where its pods are: their addresses, or the name of a headless Service."""

    revision: str
    hosts: Sequence[str]


def comparer_name(model: str) -> str:
    """The name of a Model's comparer: it has one Rollout, so one at a time."""
    return f"{model}-comparer"


def comparer(
    parent: Parent,
    *,
    stable: ComparedArm,
    candidate: ComparedArm,
    tolerance: float,
    image: str,
) -> Object:
    """The Deployment that compares both arms; `image` is that of the runtime v2.

    `tolerance` is absolute, in the outputs' own unit. The order of hosts makes no difference.
    """
    obj = child(parent, api_version="apps/v1", kind="Deployment", name=comparer_name(parent.name))
    obj["metadata"]["labels"] = _labels(parent.name)
    obj["spec"] = {
        "replicas": 1,
        "selector": {"matchLabels": _selector(parent.name)},
        # Two at a time would count every pair twice.
        "strategy": {"type": "Recreate"},
        "revisionHistoryLimit": 0,
        "progressDeadlineSeconds": 120,
        "template": {
            "metadata": {
                "labels": _labels(parent.name),
                "annotations": {
                    "prometheus.io/scrape": "true",
                    "prometheus.io/port": str(METRICS_PORT),
                    "prometheus.io/path": "/metrics",
                },
            },
            "spec": _pod(
                {
                    "TIDEGATE_NAMESPACE": parent.namespace,
                    "TIDEGATE_MODEL": parent.name,
                    "TIDEGATE_STABLE": stable.revision,
                    "TIDEGATE_STABLE_HOSTS": _listed(stable.hosts),
                    "TIDEGATE_CANDIDATE": candidate.revision,
                    "TIDEGATE_CANDIDATE_HOSTS": _listed(candidate.hosts),
                    "TIDEGATE_TOLERANCE": repr(float(tolerance)),
                    "TIDEGATE_METRICS_PORT": str(METRICS_PORT),
                    "TIDEGATE_OUTPUTS_PORT": str(OUTPUTS_PORT),
                    "TMPDIR": SCRATCH_PATH,
                    "HOME": SCRATCH_PATH,
                },
                image=image,
            ),
        },
    }
    return obj


def _selector(model: str) -> dict[str, str]:
    return {MODEL_LABEL: model, COMPONENT_LABEL: COMPONENT}


def _labels(model: str) -> dict[str, str]:
    return {_NAME_LABEL: model, **MANAGED_BY, **_selector(model)}


def _listed(hosts: Sequence[str]) -> str:
    """In a fixed order, so that the template changes only when the pods do."""
    return ",".join(sorted(set(hosts))[:_MAX_HOSTS])


def _pod(environment: dict[str, str], *, image: str) -> Object:
    """The pod: restricted Pod Security Standard, and no token, for it never asks the API server."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "comparer",
                "image": image,
                "command": ["python", "-m", "tidegate.comparing"],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
                "env": [
                    *({"name": name, "value": value} for name, value in environment.items()),
                    {
                        "name": "POD_IP",
                        "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
                    },
                ],
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "readinessProbe": _probe(period=2, failures=2),
                "livenessProbe": _probe(period=10, failures=3),
                "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH_PATH}],
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}}],
    }


def _probe(*, period: int, failures: int) -> Object:
    """An HTTP probe; `period` in seconds."""
    return {
        "httpGet": {"path": "/healthz", "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
