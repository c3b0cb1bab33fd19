"""Trainings as TrainJobs, against the kind's own schema where it is at hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAME, NAMESPACE, Site, condition
from tests.local.schema.published import published

from tidegate.kube.resources import CRDS, MODELS, TRAINJOBS
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TEXT = {"type": "string"}
_OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["runtimeRef"],
            "properties": {
                "runtimeRef": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": _TEXT, "kind": _TEXT, "apiGroup": _TEXT},
                },
                "suspend": {"type": "boolean", "default": False},
                "trainer": {
                    "type": "object",
                    "properties": {
                        "image": _TEXT,
                        "env": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"name": _TEXT, "value": _TEXT},
                            },
                        },
                    },
                },
            },
        },
        "status": _OPEN,
    },
}
TRAIN_JOBS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "trainjobs.trainer.kubeflow.org"},
    "spec": {
        "group": "trainer.kubeflow.org",
        "scope": "Namespaced",
        "names": {"plural": "trainjobs", "singular": "trainjob", "kind": "TrainJob"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}
TRAIN_JOB = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"name": "retrain", "namespace": NAMESPACE},
    "spec": {
        "suspend": True,
        "runtimeRef": {"name": "torch-distributed"},
        "trainer": {"image": "trainer:1", "env": [{"name": "SEED", "value": "1"}]},
    },
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    definition = published("trainer.kubeflow.org_trainjobs.yaml", "TrainJob") or TRAIN_JOBS
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        await kube.user.apply(CRDS, definition, manager="setup")
        await kube.clock.rest()
        yield Site(kube)


async def test_a_train_job_is_copied_runs_and_ends(site: Site) -> None:
    await site.kube.put(TRAIN_JOB)
    await site.kube.put(
        direct("https://models/v1", training={"jobFrom": {"trainJobRef": {"name": "retrain"}}})
    )
    body = {"metadata": {"annotations": {"tidegate.dev/retrain": json.dumps({"id": "1"})}}}
    await site.kube.user.patch(MODELS, NAME, body, namespace=NAMESPACE, manager="ann")
    await site.harness.settle()
    name = f"{NAME}-train-1"
    made = await site.kube.user.get(TRAINJOBS, name, namespace=NAMESPACE)
    assert made["spec"]["suspend"] is False
    assert made["spec"]["runtimeRef"]["name"] == "torch-distributed"
    assert made["spec"]["trainer"]["env"] == [
        {"name": "SEED", "value": "1"},
        {"name": "TIDEGATE_TRAINING", "value": f"{NAMESPACE}/{NAME}/1"},
    ]
    said = {"type": "Complete", "status": "True", "reason": "JobsCompleted", "message": "done"}
    conditions = [{**said, "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    await site.kube.user.patch(
        TRAINJOBS,
        name,
        {"status": {"conditions": conditions}},
        namespace=NAMESPACE,
        manager="trainer",
        subresource="status",
    )
    await site.harness.settle()
    assert condition(await site.model(), "Trained")["status"] == "True"


async def test_a_cluster_without_the_kind_is_told_so() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube)
        of = {"jobFrom": {"trainJobRef": {"name": "retrain"}}}
        await kube.put(direct("https://models/v1", training=of))
        body = {"metadata": {"annotations": {"tidegate.dev/retrain": json.dumps({"id": "1"})}}}
        await kube.user.patch(MODELS, NAME, body, namespace=NAMESPACE, manager="ann")
        await site.harness.settle()
        assert condition(await site.model(), "Trained")["reason"] == "JobFromMissing"
