"""What a delivery waits for next, from what the operator has said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.controllers.site import NAMESPACE, model, rollout

from tidegate.cli.delivery import delivery_of, waits_for
from tidegate.errors import Terminal

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
STARTED = {
    "number": 1,
    "key": "k",
    "startedAt": "2026-01-05T11:00:00Z",
    "revision": "r2",
    "digest": "d",
}


def waits(**status: Any) -> list[str]:
    obj = {**rollout(), "status": status}
    return waits_for(delivery_of(obj, model(), namespace=NAMESPACE, now=NOW))


def test_a_warm_up_says_how_much_of_it_is_left() -> None:
    attempt = {**STARTED, "warmSince": "2026-01-05T11:59:57Z"}
    assert waits(phase="WarmingUp", attempt=attempt) == ["warm-up: 7 s of 10 s left"]
    assert waits(phase="WarmingUp", attempt=STARTED) == [
        "all pods of both arms are to be Ready for 10 s"
    ]


def test_a_step_says_what_it_lacks_and_when_the_metrics_are_looked_at() -> None:
    step = {
        "index": 0,
        "startedAt": "2026-01-05T11:59:52Z",
        "observedDuration": 5,
        "nextEvaluationAt": "2026-01-05T12:00:04Z",
    }
    found = waits(phase="Progressing", attempt=STARTED, step=step)
    assert found == ["15 s more at weight 5", "the next look at the metrics, in 4 s"]
    unconfirmed = waits(phase="Progressing", attempt=STARTED, step={"index": 1})
    assert unconfirmed == ["the gateway is to confirm weight 25", "20 s more at weight 25"]


def test_a_hold_says_what_becomes_of_it() -> None:
    hold = {
        "reason": "NoData",
        "message": "no requests came",
        "since": "2026-01-05T11:59:00Z",
        "deadline": "2026-01-05T12:09:00Z",
    }
    assert waits(phase="Holding", hold=hold) == ["no requests came", "in 9 min at last: Pause"]
    assert waits(phase="WarmingUp", hold=hold) == ["no requests came"]


@pytest.mark.parametrize("phase", ["Promoting", "RollingBack"])
def test_moving_traffic_waits_for_the_gateway(phase: str) -> None:
    assert all("gateway" in what for what in waits(phase=phase, attempt=STARTED))


def test_a_rollout_that_nobody_has_looked_at_asks_whether_the_operator_runs() -> None:
    assert waits_for(delivery_of(rollout(), model(), namespace=NAMESPACE, now=NOW)) == [
        "the operator has said nothing about it yet: does it run?"
    ]


def test_fields_of_a_newer_operator_do_not_hide_the_rest() -> None:
    obj = {**rollout(), "status": {"phase": "Progressing", "novelty": {"is": "unknown"}}}
    found = delivery_of(obj, model(), namespace=NAMESPACE, now=NOW)
    assert found.document()["phase"] == "Progressing"


def test_a_phase_of_a_newer_operator_says_that_the_command_line_is_too_old() -> None:
    obj = {**rollout(), "status": {"phase": "Dreaming"}}
    with pytest.raises(Terminal, match=r"StatusUnreadable: Rollout flights .*update it"):
        delivery_of(obj, model(), namespace=NAMESPACE, now=NOW)
