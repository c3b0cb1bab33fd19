from __future__ import annotations

from typing import Any

from tidegate.demo.scene import Arm, Scene


def model(*, generation: int = 2, resolved: int = 2, **delivery: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "status": {
            "resolvedGeneration": resolved,
            "latestRevision": "m-2",
            "delivery": delivery,
        },
    }


def rollout(*history: dict[str, str], **status: Any) -> dict[str, Any]:
    return {"status": {"history": list(history), "attempt": {"revision": "m-2"}, **status}}


def transition(at: str, before: str, after: str, reason: str = "Because") -> dict[str, str]:
    return {"at": at, "from": before, "to": after, "reason": reason, "message": "so it is"}


def test_the_latest_revision_is_unknown_until_the_operator_has_seen_the_spec() -> None:
    seen = [{}, model(generation=3, resolved=2), model(generation=3, resolved=3)]
    assert [Scene(model=state).latest for state in seen] == [None, None, "m-2"]


def test_stable_and_rejected_come_from_the_models_status() -> None:
    assert Scene().stable is None
    scene = Scene()
    scene.show_model(model(stable="m-1", rejected=[{"revision": "m-2", "reason": "ErrorRate"}]))
    assert scene.stable == "m-1"
    assert scene.rejected == {"m-2"}


def test_each_decision_is_remembered_once_and_in_its_order() -> None:
    scene = Scene()
    first = transition("10:00:00Z", "Healthy", "Starting")
    second = transition("10:00:05Z", "Starting", "WarmingUp")
    scene.show_rollout(rollout(first))
    scene.show_rollout(rollout(second, first))
    scene.show_rollout(rollout(second))  # the oldest has left the history
    assert [decision.after for decision in scene.decisions] == ["Starting", "WarmingUp"]
    found = scene.decision_about("m-2", phases=("WarmingUp",))
    assert found is not None
    assert (found.reason, found.message) == ("Because", "so it is")
    assert scene.decision_about("m-3", phases=("WarmingUp",)) is None


def test_arms_are_read_with_their_weights() -> None:
    scene = Scene(versions={"m-2": "v2"})
    assert scene.arms == []
    scene.show_rollout(
        rollout(
            arms=[
                {"name": "stable", "revision": "m-1", "weight": 95, "ready": 1},
                {"name": "candidate", "revision": "m-2", "weight": 5},
            ]
        )
    )
    assert scene.arms == [Arm("stable", "m-1", 95, 1), Arm("candidate", "m-2", 5, 0)]
    assert scene.label("m-2") == "v2 (m-2)"
    assert scene.label("m-9") == "m-9"
