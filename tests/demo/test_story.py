from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.demo.answers import Answer, Tally
from tidegate.demo.scene import Scene
from tidegate.demo.story import (
    CHAPTERS,
    Outcome,
    Row,
    failures,
    outcome_of,
    row_for,
    seconds_of_harm,
    untold,
)

GOOD = [
    Row("v1", "served", "", 100, 0, None, True),
    Row("v2", "promoted", "", 100, 0, None, True),
    Row("v3", "taken back", "", 50, 6, 3.0, True),
    Row("v4", "taken back", "", 80, 0, 5.0, True),
]


def scene_with(*answers: Answer, stable: str = "m-1", rejected: tuple[str, ...] = ()) -> Scene:
    scene = Scene()
    scene.ledger.add(answers)
    entries = [{"revision": name, "reason": "ErrorRate"} for name in rejected]
    scene.show_model({"status": {"delivery": {"stable": stable, "rejected": entries}}})
    scene.show_rollout(
        {
            "status": {
                "phase": "Degraded",
                "attempt": {"revision": "m-3"},
                "history": [
                    {"at": "1", "from": "Progressing", "to": "RollingBack", "reason": "ErrorRate",
                     "message": "6 of 50"},
                ],
            }
        }
    )  # fmt: skip
    return scene


CAME = {"v2": Outcome.PROMOTED, "v3": Outcome.TAKEN_BACK, "v4": Outcome.TAKEN_BACK}


def test_the_registry_has_to_know_what_serves_and_what_was_taken_back() -> None:
    assert untold(["", "challenger, champion", "rejected", "rejected"], CAME) == []
    assert untold(["champion", "", "rejected", "rejected"], CAME) == [
        "the registry calls v1 champion",
        "the registry calls v2 nothing",
    ]
    assert untold(["", "champion", "rejected", ""], CAME) == ["the registry says of v4: nothing"]


def test_an_outcome_is_read_from_what_serves_and_what_was_rejected() -> None:
    scene = scene_with(stable="m-2", rejected=("m-3",))
    assert outcome_of(scene, "m-2") is Outcome.PROMOTED
    assert outcome_of(scene, "m-3") is Outcome.TAKEN_BACK
    assert outcome_of(scene, "m-4") is None


def test_a_version_that_was_taken_back_tells_why_whom_it_met_and_for_how_long() -> None:
    answers = [
        Answer(1, 10.0, 200, "m-3", 2.0),
        Answer(2, 11.0, 500, "m-3", 2.0),
        Answer(3, 14.5, 200, "m-3", 2.0),
    ]
    row = row_for(
        CHAPTERS[2],
        scene_with(*answers, rejected=("m-3",)),
        "m-3",
        came=Outcome.TAKEN_BACK,
        slow_ms=9.0,
    )
    assert row == Row("v3", "taken back", "ErrorRate: 6 of 50", 3, 1, 3.5, True)


def test_a_slow_version_does_harm_from_its_first_slow_answer() -> None:
    tally = Tally()
    tally.add(Answer(1, 10.0, 200, "m-4", 2.0))
    tally.add(Answer(2, 11.0, 200, "m-4", 20.0))
    tally.add(Answer(3, 13.0, 200, "m-4", 2.0))
    assert seconds_of_harm(tally, slow_ms=10.0) == 2.0
    assert seconds_of_harm(tally, slow_ms=30.0) is None
    assert seconds_of_harm(tally, slow_ms=None) is None


def test_the_first_version_only_has_to_serve() -> None:
    row = row_for(
        CHAPTERS[0], scene_with(Answer(1, 1.0, 200, "m-1", 1.0)), "m-1", came=None, slow_ms=None
    )
    assert (row.decision, row.as_expected) == ("served", True)
    nobody = row_for(CHAPTERS[0], scene_with(), "m-1", came=None, slow_ms=None)
    assert not nobody.as_expected


def test_a_version_without_a_revision_or_a_decision_is_not_as_expected() -> None:
    assert not row_for(CHAPTERS[1], scene_with(), None, came=None, slow_ms=None).as_expected
    undecided = row_for(CHAPTERS[1], scene_with(), "m-2", came=None, slow_ms=None)
    assert (undecided.decision, undecided.as_expected) == ("undecided", False)


def test_a_story_that_came_true_has_no_failures() -> None:
    assert failures(GOOD, Scene()) == []


@pytest.mark.parametrize(
    ("version", "change", "complaint"),
    [
        ("v2", {"as_expected": False, "decision": "taken back"}, "v2 had to be promoted"),
        ("v3", {"failed": 0}, "no request saw it fail"),
        ("v4", {"failed": 2}, "v4 failed 2 requests"),
        ("v1", {"failed": 1}, "v1 failed 1 requests"),
    ],
)
def test_whatever_went_otherwise_is_said(
    version: str, change: dict[str, object], complaint: str
) -> None:
    rows = [replace(row, **change) if row.version == version else row for row in GOOD]  # type: ignore[arg-type]
    assert any(complaint in line for line in failures(rows, Scene()))


def test_failures_that_are_ours_and_requests_left_out_are_said() -> None:
    lines = failures(GOOD, scene_with(*[Answer(n, 1.0, 503, "", 1.0) for n in range(7)]), skipped=4)
    assert sum("without a version to blame: status 503" in line for line in lines) == 5
    assert "… and 2 more such requests" in lines
    assert any("left out 4 requests" in line for line in lines)
