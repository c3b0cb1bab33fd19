"""The Job or TrainJob of one try of a training, made from what people wrote."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tidegate.specs.metadata import MANAGED_BY

if TYPE_CHECKING:
    from tidegate.specs.metadata import Object, Parent

TRAINING_OF_LABEL = "tidegate.dev/training-of"
"""The Model that is trained. Not `tidegate.dev/model`: that is on what serves."""
TRAINING_LABEL = "tidegate.dev/training"
"""The number of the training."""
LEAST_TTL_S = 24 * 3600
"""So long a Job that is over stays at least: an operator that was away is to see how it ended."""


def job_of_cron_job(
    parent: Parent, cron_job: Object, *, name: str, number: int, variable: tuple[str, str]
) -> Object:
    """A Job from a CronJob's template, as `kubectl create job --from` makes it, that belongs to the
    Model. `variable` is added to the environment of every container. One that
    would be deleted soon after its end stays for a day."""
    template = copy.deepcopy(cron_job["spec"]["jobTemplate"])
    labels = _labels(parent, number)
    metadata = template.get("metadata", {})
    spec = template["spec"]
    if spec.get("ttlSecondsAfterFinished") is not None:
        spec["ttlSecondsAfterFinished"] = max(LEAST_TTL_S, spec["ttlSecondsAfterFinished"])
    pod = spec["template"]
    pod.setdefault("metadata", {}).setdefault("labels", {}).update(labels)
    for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
        _add_variable(container, variable)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": parent.namespace,
            "labels": {**metadata.get("labels", {}), **labels},
            "annotations": {
                **metadata.get("annotations", {}),
                "cronjob.kubernetes.io/instantiate": "manual",
            },
            "ownerReferences": [parent.reference],
        },
        "spec": spec,
    }


def train_job_of(
    parent: Parent, of: Object, *, name: str, number: int, variable: tuple[str, str]
) -> Object:
    """A copy of a suspended TrainJob that runs, and belongs to the Model."""
    spec = copy.deepcopy(of["spec"])
    spec["suspend"] = False
    _add_variable(spec.setdefault("trainer", {}), variable)
    return {
        "apiVersion": of["apiVersion"],
        "kind": "TrainJob",
        "metadata": {
            "name": name,
            "namespace": parent.namespace,
            "labels": {**of["metadata"].get("labels", {}), **_labels(parent, number)},
            "ownerReferences": [parent.reference],
        },
        "spec": spec,
    }


def _labels(parent: Parent, number: int) -> dict[str, str]:
    return {
        **MANAGED_BY,
        TRAINING_OF_LABEL: parent.name,
        TRAINING_LABEL: str(number),
    }


def _add_variable(container: Object, variable: tuple[str, str]) -> None:
    name, value = variable
    others = [entry for entry in container.get("env", ()) if entry.get("name") != name]
    container["env"] = [*others, {"name": name, "value": value}]
