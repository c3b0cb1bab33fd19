"""What the server adds to new pods and Jobs, and that nobody owns it."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.additions import add_to_job, add_to_pod
from tidegate.testing.apiserver import PODS, Asker, pod

JOBS = "/apis/batch/v1/namespaces/default/jobs"
NOT_READY = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ([], [300, 300]),
        ([{**NOT_READY, "tolerationSeconds": 5}], [5, 300]),
        ([{"operator": "Exists"}], [None]),
    ],
)
def test_a_pod_outlives_its_nodes_troubles_unless_it_says_otherwise(
    given: list[Any], seconds: list[int | None]
) -> None:
    obj = {"spec": {"tolerations": given}}
    add_to_pod(obj)
    assert [t.get("tolerationSeconds") for t in obj["spec"]["tolerations"]] == seconds


async def test_nobody_owns_what_was_added_to_a_pod(ask: Asker) -> None:
    created = await ask.create(PODS, pod("p"))
    assert created["spec"]["serviceAccountName"] == "default"
    assert created["spec"]["priority"] == 0
    (owner,) = created["metadata"]["managedFields"]
    assert not {"f:tolerations", "f:priority", "f:serviceAccount"} & set(
        owner["fieldsV1"]["f:spec"]
    )


def job(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "u", "name": "j"}, "spec": {"template": {}, **spec}}


def test_a_job_finds_its_own_pods_and_wears_their_labels() -> None:
    obj = job()
    add_to_job(obj)
    labels = obj["spec"]["template"]["metadata"]["labels"]
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert labels["job-name"] == "j"
    assert obj["metadata"]["labels"] == labels


def test_a_job_keeps_its_own_labels_and_a_selector_of_its_own() -> None:
    obj = job()
    obj["metadata"]["labels"] = {"mine": "yes"}
    add_to_job(obj)
    assert obj["metadata"]["labels"] == {"mine": "yes"}
    manual = job(manualSelector=True)
    add_to_job(manual)
    assert "selector" not in manual["spec"]


async def test_nobody_owns_the_selector_of_a_job(ask: Asker) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template},
    }
    created = await ask.create(JOBS, body)
    assert created["spec"]["manualSelector"] is False
    (owner,) = created["metadata"]["managedFields"]
    assert "f:selector" not in owner["fieldsV1"]["f:spec"]
    assert "f:labels" not in owner["fieldsV1"].get("f:metadata", {})
