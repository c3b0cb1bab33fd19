"""What of revisions stays in status: never less than is needed, and no more than there is room."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.model_status import ModelStatus, RevisionStatus
from tidegate.domain.kept import BRIEF_CHARS, fallen, kept
from tidegate.domain.room import REVISIONS_BYTES, size

AT = "2026-11-28T03:50:08Z"
STATUS = ModelStatus.model_validate(
    {
        "conditions": [],
        "delivery": {
            "stable": "r90", "previous": "r80", "draining": [{"revision": "r70", "until": AT}],
        },
        "arms": [{"name": "b", "source": "s", "revision": "r60"}],
    }
)  # fmt: skip


def revision(number: int, **more: Any) -> RevisionStatus:
    gate = {"name": "auc", "gate": "a" * 16, "result": "Passed", "reason": "Passed",
            "source": "mlflow", "message": "w" * 200, "at": AT}  # fmt: skip
    return RevisionStatus.model_validate(
        {
            "name": f"r{number}", "number": number, "digest": "d" * 64, "phase": "Ready", "at": AT,
            "message": "words", "gates": [gate], "lineage": "kept", "served": {"from": AT},
            "admission": {"result": "Admitted", "reason": "Admitted", "at": AT},
            "approval": {"evidence": "e" * 64, "by": "carol", "at": AT, "expires": AT},
            **more,
        }
    )  # fmt: skip


def many(**more: Any) -> list[RevisionStatus]:
    return [revision(number, **more) for number in range(100, 0, -1)]


def by_name(found: list[RevisionStatus]) -> dict[str, RevisionStatus]:
    return {entry.name: entry for entry in found}


def test_what_serves_or_is_asked_for_keeps_all_but_words() -> None:
    entries = by_name(many())
    found = by_name(kept(STATUS, many(), latest="r100"))
    assert found["r100"] == entries["r100"]
    for name in ("r90", "r80", "r60"):
        assert found[name].approval == entries[name].approval
        assert found[name].admission == entries[name].admission
    (result,) = found["r90"].gates
    assert (result.result, result.source) == ("Passed", "mlflow")
    assert len(result.message) == BRIEF_CHARS
    assert sum(map(size, found.values())) <= REVISIONS_BYTES


def test_the_oldest_of_the_others_go_and_none_before_its_lineage_is_kept() -> None:
    numbers = [entry.number for entry in kept(STATUS, many(), latest="r100")]
    others = [number for number in numbers if number not in (100, 90, 80, 60)]
    newest = [number for number in range(99, 0, -1) if number not in (90, 80, 60)]
    assert others == newest[: len(others)]
    assert 3 <= len(others) < 20
    untraced = kept(STATUS, many(lineage=None), latest="r100")
    assert len(untraced) == 100


def test_an_approval_that_is_made_room_for_counts_no_more() -> None:
    found = by_name(kept(STATUS, many(), latest="r100"))
    approval = found["r99"].approval
    assert approval is not None
    assert (approval.by, approval.lapsed) == (None, AT)


def test_what_the_registry_is_to_be_told_of_a_refusal_stays_until_it_is() -> None:
    why = {"result": "Refused", "reason": "GateFailed", "message": "auc", "at": AT}
    found = by_name(kept(STATUS, many(admission=why), latest="r100", untold={"r1", "r2"}))
    for name in ("r1", "r2"):
        assert found[name].admission == revision(1, admission=why).admission


def test_few_revisions_keep_what_they_have_but_results_of_what_is_over() -> None:
    entries = [revision(100), revision(99), revision(90)]
    latest, over, stable = kept(STATUS, entries, latest="r100")
    assert (latest, stable) == (entries[0], entries[2])
    assert over == entries[1].model_copy(update={"gates": []})


@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=40),
    st.sets(st.integers(1, 40)),
)
def test_a_second_look_takes_nothing_more(lengths: list[int], traced: set[int]) -> None:
    entries = [
        revision(n, message="m" * length, lineage="kept" if n in traced else None)
        for n, length in enumerate(lengths, 1)
    ][::-1]
    latest = entries[0].name
    once = kept(STATUS, entries, latest=latest)
    assert kept(STATUS, once, latest=latest) == once
    assert once[0] == entries[0]


@pytest.mark.parametrize(
    ("listed", "made", "gone"),
    [
        ((), (1, 2), set()),
        ((2,), (1, 2), {"r1"}),
        ((1, 3), (1, 2, 3, 4), {"r2"}),
    ],
)
def test_a_revision_has_fallen_when_a_newer_one_is_listed(
    listed: tuple[int, ...], made: tuple[int, ...], gone: set[str]
) -> None:
    status = ModelStatus(conditions=[], revisions=[revision(number) for number in listed])
    assert fallen(status, {f"r{number}": number for number in made}) == gone


def test_a_revision_that_is_used_again_is_listed_again() -> None:
    status = STATUS.model_copy(update={"revisions": [revision(100)]})
    assert fallen(status, {"r90": 90, "r80": 80, "r60": 60, "r50": 50}) == {"r50"}
