from __future__ import annotations

import io

import pytest
from rich.console import Console

from tidegate.demo.answers import Answer
from tidegate.demo.scene import Scene
from tidegate.demo.story import Row
from tidegate.demo.view import (
    LiveView,
    PlainView,
    bound,
    evidence_cells,
    far,
    picture,
    story_table,
    view_for,
)


@pytest.fixture
def scene() -> Scene:
    scene = Scene(versions={"m-1": "v1", "m-2": "v2"})
    scene.ledger.add([Answer(1, 1.0, 200, "m-1", 1.0), Answer(2, 1.0, 500, "m-2", 1.0)])
    scene.show_rollout(
        {
            "status": {
                "phase": "Holding",
                "hold": {"reason": "NoData"},
                "attempt": {"revision": "m-2"},
                "arms": [
                    {"name": "stable", "revision": "m-1", "weight": 75, "ready": 1},
                    {"name": "candidate", "revision": "m-2", "weight": 25, "ready": 1},
                ],
                "evidence": [
                    {
                        "metric": "errors",
                        "stable": {"n": 200, "bad": 0, "estimate": 0.0},
                        "candidate": {"n": 50, "bad": 5, "estimate": 0.1},
                        "interval": {"lower": -0.01, "upper": None},
                        "rollback": 42.4,
                        "promote": None,
                        "verdict": "Continue",
                    }
                ],
                "history": [
                    {"at": "1", "from": "WarmingUp", "to": "Progressing", "reason": "Warm",
                     "message": "[both] arms are ready"},
                ],
            }
        }
    )  # fmt: skip
    return scene


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=140, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_shows_weights_evidence_decisions_and_requests(scene: Scene) -> None:
    out = console()
    out.print(picture(scene))
    text = printed(out)
    assert "75 %  v1 (m-1)" in text
    assert "25 %  v2 (m-2)" in text
    assert "2 answered, 1 failed by a version, 0 by us" in text
    assert "Holding (NoData)" in text
    assert "5/50 (10.00 %)" in text
    assert "[-1.00 %, …]" in text
    assert "42 %" in text
    assert "v2 (m-2): WarmingUp → Progressing, Warm ([both] arms are ready)" in text


def test_without_a_terminal_there_are_lines_and_each_decision_stands_there_once(
    scene: Scene,
) -> None:
    out = console()
    view = PlainView(out)
    view.note("kubectl apply -f x")
    view.show(scene)
    view.show(scene)
    text = printed(out)
    assert "kubectl apply -f x" in text
    assert text.count("decision: v2 (m-2): WarmingUp → Progressing") == 1
    assert text.count("weights:  stable v1 (m-1) 75 %, candidate v2 (m-2) 25 %") == 1
    assert "evidence: errors: stable 0/200 (0.00 %), candidate 5/50 (10.00 %)" in text


def test_a_terminal_gets_the_live_picture() -> None:
    assert isinstance(view_for(console(terminal=True)), LiveView)
    assert isinstance(view_for(console()), PlainView)


def test_a_scene_in_which_nothing_has_happened_can_be_drawn() -> None:
    out = console()
    out.print(picture(Scene()))
    assert "0 answered" in printed(out)


def test_bounds_and_distances_say_what_is_not_there() -> None:
    assert (bound(None), bound(0.0125)) == ("…", "+1.25 %")
    assert (far(None), far(-3.0), far(99.7)) == ("–", "0 %", "99 %")
    assert (far(100.0), far(254.0)) == ("enough", "enough")


def test_the_table_at_the_end_has_a_line_for_each_version() -> None:
    out = console()
    rows = [
        Row("v3", "taken back", "ErrorRate: [6] of 50", 50, 6, 3.04, True),
        Row("v4", "undecided", "–", 0, 0, None, False),
    ]
    out.print(story_table(rows, ["champion"] * len(rows)))
    text = printed(out)
    assert "ErrorRate: [6] of 50" in text
    assert "3.0 s" in text
    assert "undecided" in text


def test_a_metric_without_an_interval_says_what_it_read() -> None:
    entry = {"metric": "budget", "interval": {}, "message": "budget: value 0.1, value < 0.2 holds"}
    assert evidence_cells(entry)[3] == "value 0.1, value < 0.2 holds"
    assert evidence_cells({"metric": "slo"})[3] == "–"
