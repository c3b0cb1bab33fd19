"""InferenceServices: who leads, how pods are counted, and what is believed of a status."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.backends.deployed import deployment
from tests.backends.rendered import FAILED, KSERVE, NEW, OLD, rendered

type Obj = dict[str, Any]

TRUE = [{"type": name, "status": "True"} for name in ("PredictorReady", "IngressReady", "Ready")]
MODEL = {"transitionStatus": "UpToDate", "states": {"targetModelState": "Loaded"}}


def canary(revision: str, weight: int, *, ready: bool = True) -> Obj:
    return {"name": f"r{revision[2:]}", "ready": ready, "trafficPercent": weight}


def live(what: str, *canaries: Obj, **status: Any) -> Obj:
    """An InferenceService that KServe has brought to where it belongs, but for `status`."""
    found = rendered(KSERVE, what)
    found["status"] = {
        "conditions": TRUE, "modelStatus": MODEL, "canaryStatuses": list(canaries), **status,
    }  # fmt: skip
    return found


BOTH = [deployment(OLD, 4), deployment(NEW, 1)]
WELL = live("weights", canary(NEW, 25))


def test_the_leader_is_asked_for_its_own_pods_and_its_canaries() -> None:
    spec = rendered(KSERVE, "weights")["spec"]
    assert (spec["predictor"]["name"], spec["predictor"]["minReplicas"]) == ("r00000001", 5)
    (one,) = spec["canary"]
    assert (one["predictor"]["name"], one["predictor"]["minReplicas"]) == ("r00000002", 1)
    assert one["trafficPercent"] == 25
    assert "maxReplicas" not in one["predictor"], "forbidden for a canary"


def test_a_promotion_changes_the_leader_and_no_entry() -> None:
    before, after = rendered(KSERVE, "weights")["spec"], rendered(KSERVE, "all to the candidate")
    sizes = {"minReplicas", "maxReplicas"}
    for lead, other in (
        (after["spec"]["predictor"], before["canary"][0]["predictor"]),
        (after["spec"]["canary"][0]["predictor"], before["predictor"]),
    ):
        assert {k: v for k, v in lead.items() if k not in sizes} == {
            k: v for k, v in other.items() if k not in sizes
        }


def test_nothing_that_reaches_a_pod_changes_with_a_weight() -> None:
    one, other = rendered(KSERVE, "weights"), rendered(KSERVE, "all to the candidate")
    assert one["metadata"] == other["metadata"]
    assert one["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}


def test_what_is_as_asked_for_is_programmed() -> None:
    seen = KSERVE.observe(WELL, BOTH)
    assert seen.route.programmed, seen.route.message
    assert seen.route.weights == {OLD: 75, NEW: 25}
    assert seen.sizes == {OLD: 4, NEW: 1}


def condition(type_: str, status: str) -> list[Obj]:
    return [*(one for one in TRUE if one["type"] != type_), {"type": type_, "status": status}]


NOT_YET: dict[str, tuple[Obj, list[Obj], str]] = {
    "no status": (live("weights", conditions=[], canaryStatuses=[]), BOTH, "does not say anything"),
    "another weight": (live("weights", canary(NEW, 10)), BOTH, "not yet 25"),
    "a canary not ready": (live("weights", canary(NEW, 25, ready=False)), BOTH, "no traf"),
    "a canary that has left": (
        live("one revision", canary(NEW, 25)), [deployment(OLD, 2)], "still has canary r00000002",
    ),
    "a route that is not written": (
        live("weights", canary(NEW, 25), conditions=condition("IngressReady", "False")),
        BOTH, "IngressReady",
    ),
    "a leader that is not ready": (
        live("weights", canary(NEW, 25), conditions=condition("PredictorReady", "False")),
        BOTH, "PredictorReady",
    ),
    "Ready that is unknown": (
        live("weights", canary(NEW, 25), conditions=condition("Ready", "Unknown")), BOTH, "Ready",
    ),
    "a model that is still loaded": (
        live("weights", canary(NEW, 25),
             modelStatus={"transitionStatus": "InProgress",
                          "states": {"targetModelState": "Loading"}}),
        BOTH, "InProgress",
    ),
    "a Deployment that is not there": (WELL, BOTH[:1], "not there yet"),
    "a Deployment that is not looked at": (
        WELL, [BOTH[0], deployment(NEW, 1, generation=2)], "has not been looked at",
    ),
    "new pods that crash behind old ones": (
        WELL, [BOTH[0], deployment(NEW, 1, replicas=2, updatedReplicas=1)], "present template",
    ),
    "pods of another revision": (
        WELL, [BOTH[0], deployment("m-99999999", 1)], "not there yet",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_YET)
def test_what_is_not_so_yet_is_not_programmed(what: str) -> None:
    obj, deployments, said = NOT_YET[what]
    seen = KSERVE.observe(obj, deployments)
    assert not seen.route.programmed
    assert said in seen.route.message


def test_an_observed_generation_proves_nothing() -> None:
    obj = live("weights", canary(NEW, 10), observedGeneration=7)
    obj["metadata"]["generation"] = 7
    assert not KSERVE.observe(obj, BOTH).route.programmed


def test_a_canary_without_traffic_that_crashes_is_in_nobodys_way() -> None:
    obj = live(
        "three", canary(NEW, 10), canary(FAILED, 0, ready=False),
        conditions=condition("Ready", "False"),
    )  # fmt: skip
    surplus = deployment(OLD, 5)  # KServe takes pods off the leader for ready canaries alone
    seen = KSERVE.observe(obj, [surplus, deployment(NEW, 1), deployment(FAILED, 1, available=0)])
    assert seen.route.programmed, seen.route.message


def test_what_kserve_says_against_a_canary_is_its_failure_and_only_an_invalid_spec_is_final() -> (
    None
):
    says: Obj = {
        "transitionStatus": "InvalidSpec",
        "lastFailureInfo": {"reason": "NoSupportingRuntime", "message": "no runtime"},
    }
    obj = live("weights", {**canary(NEW, 25), "modelStatus": says}, modelStatus=says)
    failures = KSERVE.observe(obj, BOTH).failures
    assert (failures[NEW].reason, failures[NEW].final) == ("NoSupportingRuntime", True)
    assert not failures[OLD].final, "it may be of the leader before"
    says["transitionStatus"] = "BlockedByFailedLoad"
    assert not KSERVE.observe(obj, BOTH).failures[NEW].final


def test_an_entry_that_somebody_added_shows_as_a_difference() -> None:
    obj = copy.deepcopy(WELL)
    obj["spec"]["canary"].append({"trafficPercent": 5, "predictor": {"name": "mine"}})
    assert KSERVE.observe(obj, BOTH).route.weights == {OLD: 70, NEW: 25, "mine": 5}
