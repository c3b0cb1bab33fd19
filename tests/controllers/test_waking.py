"""Which changes of a Rollout wake whom: a batch that was counted wakes nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.controllers.waking import moved, redeclared

if TYPE_CHECKING:
    from tidegate.kube.objects import Object

ROLLOUT: Object = {
    "metadata": {"name": "r", "uid": "u", "resourceVersion": "1", "generation": 1},
    "spec": {"modelRef": {"name": "m"}},
    "status": {
        "phase": "Progressing",
        "attempt": {"number": 1, "evaluatingS": 15},
        "step": {"index": 0, "startedAt": "t", "lastBatchEnd": "t", "requests": 100},
        "arms": [{"name": "candidate", "weight": 5}],
        "evidence": [{"metric": "errors", "state": "{}"}],
        "records": [{"name": "x", "rows": []}],
        "conditions": [{"type": "Ready", "status": "False", "message": "15 of 60 s"}],
    },
}


def changed(*path: str | int, to: Any, of: Object = ROLLOUT) -> Object:
    """The Rollout with another value somewhere, and as a later version."""

    def put(value: Any, rest: tuple[str | int, ...]) -> Any:
        if not rest:
            return to
        if isinstance(value, list):
            return [put(one, rest[1:]) if at == rest[0] else one for at, one in enumerate(value)]
        return {**value, rest[0]: put(value.get(rest[0]), rest[1:])}

    later: Object = put(of, path)
    return {**later, "metadata": {**later["metadata"], "resourceVersion": "2"}}


BATCH = changed("status", "step", "lastBatchEnd", to="later")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("status", "evidence", 0, "state"), '{"c": []}'),
        (("status", "records"), []),
        (("status", "step", "nextEvaluationAt"), "later"),
        (("status", "step", "observedDuration"), 15.0),
        (("status", "step", "requests"), 200),
        (("status", "attempt", "evaluatingS"), 30),
        (("status", "conditions", 0, "message"), "30 of 60 s"),
    ],
)
def test_what_a_batch_counts_wakes_nobody(path: tuple[str | int, ...], to: Any) -> None:
    assert not moved(ROLLOUT, changed(*path, to=to, of=BATCH))
    assert not redeclared(ROLLOUT, changed(*path, to=to, of=BATCH))
    assert moved(ROLLOUT, changed(*path, to=to)), "without a batch it was somebody else"


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("status", "phase"), "Promoting"),
        (("status", "hold"), {"reason": "NoData"}),
        (("status", "arms", 0, "weight"), 25),
        (("status", "step", "index"), 1),
        (("status", "step", "startedAt"), None),
        (("status", "attempt", "number"), 2),
        (("status", "conditions", 0, "status"), "True"),
        (("status", "evidence"), []),
        (("status",), None),
    ],
)
def test_what_moves_the_delivery_wakes_it_alone(path: tuple[str | int, ...], to: Any) -> None:
    for before in (ROLLOUT, BATCH):
        assert moved(ROLLOUT, changed(*path, to=to, of=before))
        assert not redeclared(ROLLOUT, changed(*path, to=to, of=before))


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("spec", "modelRef", "name"), "other"),
        (("metadata", "deletionTimestamp"), "t"),
        (("metadata", "annotations"), {"tidegate.dev/command": "abort"}),
        (("metadata", "uid"), "v"),
    ],
)
def test_what_is_declared_wakes_both(path: tuple[str | int, ...], to: Any) -> None:
    assert moved(ROLLOUT, changed(*path, to=to, of=BATCH))
    assert redeclared(ROLLOUT, changed(*path, to=to, of=BATCH))


def test_another_version_of_the_same_wakes_nobody() -> None:
    assert not moved(ROLLOUT, changed("spec", to=ROLLOUT["spec"]))
