"""How large a Model's status gets in long, busy use."""

from __future__ import annotations

import json
from typing import Any

from tests.controllers.site import model

from tidegate.api.model import Model
from tidegate.api.model_status import ModelStatus, RevisionStatus
from tidegate.controllers.trial import kept_results
from tidegate.domain.short_words import short

LIMIT = 24_500
"""Bytes of JSON without managedFields. The design's 16 kB are not met with all histories full."""
AT = "2026-11-28T03:50:08Z"
WHY = "errors: candidate 6 of 50 against stable 1 of 950: ratio at least 1.9; " * 3
GATES = {
    "auc": "roc_auc is 0.8712 on sha256:dddddddddddd, at least 0.65",
    "no-regression": "roc_auc is 0.8712 on sha256:dddddddddddd, at most 0.01 below stable",
    "golden": "20 requests answered as expected; slowest 12 ms of 50 ms",
}
CONDITIONS = ("Resolved", "Verified", "GatesPassed", "Approved", "Available", "Ready",
              "Reconciling", "Stalled", "Trained", "WrittenBack")  # fmt: skip


def name(number: int) -> str:
    return f"flight-delay-{number:08x}"


def revision(number: int, *, why: str | None) -> RevisionStatus:
    result = {
        "gate": "a" * 16, "result": "Passed", "reason": "Passed", "value": 0.8712, "at": AT,
        "bound": "max 0.01 below stable",
        "source": f"metric roc_auc of models:/flight-delay version 12, sha256:{'d' * 12}",
    }  # fmt: skip
    admission = {"result": "Admitted", "reason": "Admitted", "message": "it has passed", "at": AT}
    return RevisionStatus.model_validate(
        {
            "name": name(number), "number": number, "digest": "f" * 64, "at": AT,
            "phase": "Failed" if why else "Ready", "reason": "EvidenceRollsBack" if why else None,
            "message": why, "served": {"from": AT, "until": AT}, "lineage": "e" * 16,
            "gates": [{**result, "name": gate, "message": said} for gate, said in GATES.items()],
            "admission": admission,
            "approval": {
                "evidence": "b" * 64, "authors": ["alice@corp.example"], "at": AT,
                "by": "carol@corp.example", "expires": AT,
            },
        }
    )  # fmt: skip


def training(number: int) -> dict[str, Any]:
    run = {
        "number": number, "askedBy": "Schedule", "at": AT, "attempt": 2, "startedAt": AT,
        "endedAt": AT, "job": f"flight-delay-train-{number}-2",
    }  # fmt: skip
    if number in (4, 7, 10):
        why = "x" * 300 if number == 10 else short("x" * 300)
        return {**run, "phase": "Failed", "reason": "TrainingFailed", "message": why}
    return {**run, "phase": "Succeeded", "produced": {"version": "12", "revision": name(number)}}


def written(number: int, key: str) -> dict[str, Any]:
    return {"revision": name(number), "name": "flight-delay", "version": "12", "key": key, "at": AT}


def busy() -> dict[str, Any]:
    """The status of a Model with ten revisions, of which four were taken back, and all histories
    full."""
    rejected = [
        {
            "digest": "f" * 64, "revision": name(number), "reason": "EvidenceRollsBack",
            "message": WHY if number < 3 else short(WHY), "at": AT,
        }
        for number in reversed(range(20))
    ]  # fmt: skip
    condition = {"status": "True", "reason": "Succeeded", "lastTransitionTime": AT,
                 "observedGeneration": 12, "message": "w" * 90}  # fmt: skip
    status = {
        "phase": "Healthy", "latestRevision": name(10), "observedGeneration": 12,
        "delivery": {
            "stable": name(9), "previous": name(8), "candidate": name(10), "rejected": rejected,
        },
        "lineage": {
            "revision": name(9), "registry": "mlflow", "version": "12", "run": "a" * 32,
            "gitCommit": "c" * 40, "author": "alice@corp.example", "datasets": ["d" * 12],
            "training": 9,
        },
        "training": {"runs": [training(n) for n in range(10, 0, -1)], "scheduledUntil": AT},
        "writeBack": {
            "promoted": written(9, "champion"),
            "rejected": [written(number, "tidegate.rejected") for number in range(20)],
        },
        "conditions": [{**condition, "type": type_} for type_ in CONDITIONS],
    }  # fmt: skip
    made = [revision(n, why=short(WHY) if n in (1, 3, 5, 7) else None) for n in range(10, 0, -1)]
    of = Model.model_validate({**model(), "status": status})
    kept = kept_results(of, made, name(10))
    whole = ModelStatus.model_validate({**status, "revisions": [one.wire() for one in kept]})
    return whole.wire()


def size(part: Any) -> int:
    return len(json.dumps(part, separators=(",", ":")))


def test_a_status_with_full_histories_stays_bounded() -> None:
    found = busy()
    sizes = {key: size(part) for key, part in found.items()}
    assert size(found) < LIMIT, sizes
