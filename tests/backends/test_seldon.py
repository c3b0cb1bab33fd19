"""SeldonDeployments: what is rendered, and what is believed of a status."""

from __future__ import annotations

from typing import Any

import pytest
from tests.backends.deployed import deployment
from tests.backends.rendered import NEW, OLD, SELDON, rendered

type Obj = dict[str, Any]

BOTH = [deployment(OLD, 4), deployment(NEW, 1)]
COUNTED = {f"d-{OLD}": {"availableReplicas": 4}, f"d-{NEW}": {"availableReplicas": 1}}


def live(what: str, **status: Any) -> Obj:
    """A SeldonDeployment that is where it belongs, but for `status`."""
    found = rendered(SELDON, what)
    found["status"] = {"state": "Available", "deploymentStatus": COUNTED, **status}
    return found


def test_a_predictor_is_named_by_its_hash_and_carries_its_revision() -> None:
    old, new = rendered(SELDON, "weights")["spec"]["predictors"]
    assert [(one["name"], one["traffic"], one["replicas"]) for one in (old, new)] == [
        ("00000001", 75, 4),
        ("00000002", 25, 1),
    ]
    assert new["labels"]["version"] == "00000002", "Istio's subset selects by it"
    assert new["labels"]["tidegate.dev/revision"] == NEW
    assert new["graph"] == {
        "name": "m",
        "type": "MODEL",
        "implementation": "SKLEARN_SERVER",
        "modelUri": f"s3://models/{NEW}/model.joblib",
    }
    (component,) = new["componentSpecs"]
    (container,) = component["spec"]["containers"]
    assert container["name"] == new["graph"]["name"], "or it would be another container"
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"


def test_a_weight_changes_nothing_of_a_predictor_but_its_traffic_and_size() -> None:
    moving = {"traffic", "replicas"}
    frozen = [
        {p["name"]: {k: v for k, v in p.items() if k not in moving} for p in one["predictors"]}
        for one in (rendered(SELDON, what)["spec"] for what in ("weights", "all to the candidate"))
    ]
    assert frozen[0] == frozen[1]
    assert "annotations" not in rendered(SELDON, "weights")["metadata"]


def test_what_is_as_asked_for_is_programmed() -> None:
    seen = SELDON.observe(live("weights"), BOTH)
    assert seen.route.programmed, seen.route.message
    assert seen.route.weights == {OLD: 75, NEW: 25}
    assert seen.sizes == {OLD: 4, NEW: 1}


def test_the_only_predictor_has_all_the_traffic() -> None:
    obj = rendered(SELDON, "one revision")
    obj["spec"]["predictors"][0]["traffic"] = 0
    assert SELDON.observe(obj, []).route.weights == {OLD: 100}


NOT_YET: dict[str, tuple[Obj, list[Obj], str]] = {
    "no status": ({**live("weights"), "status": {}}, BOTH, "nothing yet"),
    "Creating": (live("weights", state="Creating"), BOTH, "Creating"),
    "Failed": (live("weights", state="Failed", description="conflict"), BOTH, "conflict"),
    "Available of the spec before": (
        live("weights", deploymentStatus={f"d-{OLD}": {"availableReplicas": 4}}),
        BOTH[:1], "not there yet",
    ),
    "pods that are not counted": (
        live("weights", deploymentStatus={f"d-{OLD}": {"availableReplicas": 4}}),
        BOTH, "has not counted",
    ),
    "pods that are still to come": (live("weights"), [BOTH[0], deployment(NEW, 0)], "not yet 1"),
    "a pod that is not available": (
        live("weights"), [BOTH[0], deployment(NEW, 1, available=0)], "available",
    ),
    "somebody who has left": (live("one revision"), [deployment(OLD, 2)], f"still has d-{NEW}"),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_YET)
def test_what_is_not_so_yet_is_not_programmed(what: str) -> None:
    obj, deployments, said = NOT_YET[what]
    seen = SELDON.observe(obj, deployments)
    assert not seen.route.programmed
    assert said in seen.route.message


def test_failed_is_said_of_everybody_and_is_never_final() -> None:
    failures = SELDON.observe(live("weights", state="Failed", description="x"), BOTH).failures
    assert {one.final for one in failures.values()} == {False}
    assert set(failures) == {OLD, NEW}
