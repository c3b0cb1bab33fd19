"""What a revision has to pass, in which order, and what the delivery may start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.api.gate import AdmissionStatus, GateResult
from tidegate.api.model import ModelSpec
from tidegate.api.model_status import DeliveryStatus, ModelStatus
from tidegate.domain.admission import (
    KEEP_REFUSED,
    Candidate,
    admission,
    gates_passed,
    held_back,
    keeps_pod,
)
from tidegate.domain.pods import ArmPods, PodFailure
from tidegate.domain.times import stamp

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    {
        "artifact": {"uri": "https://models/v1", "format": "onnx"},
        "runtime": {"v2": {}},
        "gates": [{"name": "auc", "metric": "roc_auc", "min": 0.65}],
    }
)
UNGOVERNED = SPEC.model_copy(update={"gates": []})
READY = ArmPods(exists=True, desired=1, ready=1)
STARTING = ArmPods(exists=True, desired=1)


def said(result: str) -> GateResult:
    return GateResult.model_validate(
        {"name": "auc", "gate": "0" * 16, "result": result, "reason": "R", "message": result}
    )


def broken(reason: str, *, final: bool) -> ArmPods:
    return ArmPods(exists=True, desired=1, failure=PodFailure(reason, "it broke", final=final))


def decided(result: str, reason: str = "R", *, ago: timedelta = timedelta(0)) -> AdmissionStatus:
    return AdmissionStatus.model_validate(
        {"result": result, "reason": reason, "message": "said before", "at": stamp(NOW - ago)}
    )


def candidate(gate: str = "Passed", pods: ArmPods = READY, **more: Any) -> Candidate:
    return Candidate(
        spec=SPEC, revision="m-1", digest="d1", gates=[said(gate)], pods=pods, now=NOW, **more
    )


CASES = [
    (candidate(), "Admitted", "Admitted"),
    (candidate("Skipped"), "Admitted", "Admitted"),
    (candidate("Failed", ArmPods()), "Refused", "GateFailed"),
    (candidate("Pending"), "Waiting", "GatesPending"),
    (candidate("Pending", STARTING), "Waiting", "TrialStarting"),
    (candidate(pods=STARTING), "Waiting", "TrialStarting"),
    (candidate(pods=broken("ImagePullBackOff", final=False)), "Waiting", "TrialStarting"),
    (candidate(pods=broken("LoadFailed", final=True)), "Refused", "LoadFailed"),
    (candidate(pods=ArmPods(), before=decided("Refused", "LoadFailed")), "Refused", "LoadFailed"),
    (candidate(before=decided("Refused", "CrashLoop")), "Refused", "CrashLoop"),
    (candidate(before=decided("Refused", "GateFailed")), "Admitted", "Admitted"),
]


@pytest.mark.parametrize(("of", "result", "reason"), CASES)
def test_the_first_stage_that_is_not_passed_decides(
    of: Candidate, result: str, reason: str
) -> None:
    found = admission(of)
    assert (found.result, found.reason) == (result, reason)


def test_a_backend_has_no_pod_to_spare_so_that_none_is_waited_for() -> None:
    backed = replace(candidate(pods=ArmPods()), spec=SPEC.model_copy(update={"backend": "KServe"}))
    assert admission(candidate(pods=ArmPods())).result == "Waiting"
    assert admission(backed).result == "Admitted"
    assert admission(replace(backed, gates=[said("Failed")])).result == "Refused"


def test_a_revision_is_tried_on_one_pod_until_it_is_delivered_or_refused() -> None:
    assert keeps_pod(candidate(pods=ArmPods()), decided("Waiting"), None)
    assert keeps_pod(candidate(), decided("Admitted"), None)
    assert not keeps_pod(candidate("Failed", ArmPods()), decided("Refused"), None)
    assert keeps_pod(candidate("Failed"), decided("Refused"), None)
    assert not keeps_pod(candidate("Failed"), decided("Refused", ago=KEEP_REFUSED), None)


def test_what_the_delivery_rejected_gets_no_pod() -> None:
    rejection = {"digest": "d1", "revision": "m-1", "reason": "RolledBack", "at": stamp(NOW)}
    delivery = DeliveryStatus.model_validate({"rejected": [rejection]})
    assert not keeps_pod(candidate(), decided("Admitted"), delivery)


def status(admitted: AdmissionStatus | None) -> ModelStatus:
    entry = {"name": "m-2", "number": 2, "digest": "d2", "phase": "Trial"}
    entry |= {"admission": admitted.wire()} if admitted else {}
    return ModelStatus.model_validate(
        {"latestRevision": "m-2", "revisions": [entry], "conditions": []}
    )


STABLE = DeliveryStatus(stable="m-1")
HELD = [
    (SPEC, decided("Admitted"), STABLE, True, None),
    (SPEC, decided("Admitted"), STABLE, False, "GatesPending"),
    (SPEC, decided("Waiting", "GatesPending"), STABLE, True, "GatesPending"),
    (SPEC, decided("Refused", "GateFailed"), STABLE, True, "GateFailed"),
    (SPEC, None, DeliveryStatus(), True, "GatesPending"),
    (UNGOVERNED, None, DeliveryStatus(), True, None),
    (UNGOVERNED, decided("Refused"), STABLE, False, None),
    (SPEC, decided("Refused"), DeliveryStatus(stable="m-2"), True, None),
    (SPEC, decided("Refused"), DeliveryStatus(stable="m-1", candidate="m-2"), False, None),
]


@pytest.mark.parametrize(("spec", "admitted", "delivery", "current", "reason"), HELD)
def test_the_delivery_starts_only_what_was_admitted_by_the_present_gates(
    spec: ModelSpec,
    admitted: AdmissionStatus | None,
    delivery: DeliveryStatus,
    current: bool,
    reason: str | None,
) -> None:
    found = held_back(spec, status(admitted), delivery, current=current)
    assert (found.reason if found else None) == reason


def test_a_refusal_is_certain_and_a_wait_is_not() -> None:
    refused = held_back(SPEC, status(decided("Refused")), STABLE, current=True)
    waits = held_back(SPEC, status(decided("Waiting")), STABLE, current=True)
    assert refused is not None
    assert waits is not None
    assert (refused.status, waits.status) == ("False", "Unknown")


@pytest.mark.parametrize(
    ("results", "status_", "reason"),
    [
        (["Passed", "Skipped"], "True", "GatesPassed"),
        (["Passed", "Pending"], "Unknown", "GatesPending"),
        (["Pending", "Failed"], "False", "GateFailed"),
    ],
)
def test_the_condition_is_that_of_the_worst_gate(
    results: list[str], status_: str, reason: str
) -> None:
    found = gates_passed([said(result) for result in results])
    assert (found.status, found.reason) == (status_, reason)
