"""What every child object carries: labels that name the Model and the revision, and its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

type Object = dict[str, Any]

MODEL_LABEL = "tidegate.dev/model"
REVISION_LABEL = "tidegate.dev/revision"
MANAGED_BY = {"app.kubernetes.io/managed-by": "tidegate"}
NOTHING = "none"
"""A revision label that no pod has: what a Service selects before anything is stable."""


@dataclass(frozen=True)
class Parent:
    """The Model that children belong to: its name, namespace and owner reference."""

    name: str
    namespace: str
    reference: Object


def labels(model: str, revision: str | None = None) -> dict[str, str]:
    """The labels of a child of a Model, and of a revision if it belongs to one."""
    found = {
        "app.kubernetes.io/name": model,
        "app.kubernetes.io/component": "model-server",
        **MANAGED_BY,
        MODEL_LABEL: model,
    }
    if revision is not None:
        found[REVISION_LABEL] = revision
    return found


def selector(model: str, revision: str) -> dict[str, str]:
    """What selects the pods of one revision. It is immutable in a Deployment: never add to it."""
    return {MODEL_LABEL: model, REVISION_LABEL: revision}


def child(
    parent: Parent, *, api_version: str, kind: str, name: str, revision: str | None = None
) -> Object:
    """The head of a child object."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": parent.namespace,
            "labels": labels(parent.name, revision),
            "ownerReferences": [parent.reference],
        },
    }
