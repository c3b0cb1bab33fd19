"""The Deployment of a revision. Replicas are no part of what is applied: they are handed over by
`/scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.specs.container import STARTUP_LIMIT_S
from tidegate.specs.metadata import child, selector

if TYPE_CHECKING:
    from tidegate.specs.metadata import Object, Parent


def deployment(parent: Parent, *, revision: str, pod_template: Object) -> Object:
    """The Deployment that runs a revision's frozen pod template, without replicas."""
    obj = child(parent, api_version="apps/v1", kind="Deployment", name=revision, revision=revision)
    obj["spec"] = {
        "selector": {"matchLabels": selector(parent.name, revision)},
        "template": pod_template,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": STARTUP_LIMIT_S + 60,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
    }
    return obj


def first_deployment(parent: Parent, *, revision: str, pod_template: Object) -> Object:
    """The same to create it with: one pod, which must load and warm up before more are started."""
    obj = deployment(parent, revision=revision, pod_template=pod_template)
    obj["spec"]["replicas"] = 1
    return obj
