"""Approvals: bound to evidence, given by somebody else, for a time, and never without a guard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from tidegate.api.approval import Approval
from tidegate.domain.approval import (
    Asked,
    Given,
    Ground,
    authors_in,
    evidence_of,
    judge,
    read,
    written,
)
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from tidegate.api.approval import ApprovalStatus
    from tidegate.domain.approval import Approved

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = Approval(groups=["ml-leads"], expires=timedelta(hours=72))
GATES = "6f1d0a2b3c4d5e6f"
ASKED = Asked("flights", "flights-2", "d" * 64, GATES, ("alice@corp",))
GROUND = Ground(guarded=True, authors={"alice@corp": "alice"})
EVIDENCE = evidence_of(ASKED, POLICY.groups, None)
CAROL = Given("flights-2", EVIDENCE, "carol")


def look(
    asked: Asked = ASKED,
    given: Given | None = CAROL,
    record: ApprovalStatus | None = None,
    *,
    policy: Approval = POLICY,
    ground: Ground = GROUND,
    after: timedelta = timedelta(0),
) -> Approved:
    return judge(asked, policy, given=given, record=record, ground=ground, now=NOW + after)


def test_somebody_else_approves_and_status_says_who_and_when() -> None:
    found = look()
    assert found.holds
    assert found.record.by == "carol"
    assert found.record.at == "2026-01-01T12:00:00Z"
    assert found.record.expires == "2026-01-04T12:00:00Z"
    assert found.until == NOW + timedelta(hours=72)
    for part in ("flights-2", "carol", "2026-01-01T12:00:00Z", "dddddddddddd", EVIDENCE[:12]):
        assert part in found.said.message


@pytest.mark.parametrize(
    ("changed", "reason", "says"),
    [
        ({"given": None}, "ApprovalPending", "tidegate approve model/flights"),
        ({"given": read("{}")}, "ApprovalInvalid", "must read"),
        ({"given": replace(CAROL, by="alice")}, "ApproverIsAuthor", "alice registered it"),
        ({"given": replace(CAROL, evidence="0" * 64)}, "ApprovalVoid", "have changed since"),
        ({"given": replace(CAROL, revision="flights-1")}, "ApprovalPending", "about flights-1"),
        ({"asked": replace(ASKED, digest="e" * 64)}, "ApprovalVoid", "have changed since"),
        ({"asked": replace(ASKED, gates="0")}, "ApprovalVoid", "have changed since"),
        ({"asked": replace(ASKED, authors=(None,))}, "AuthorUnknown", "nobody knows who made it"),
        (
            {"asked": replace(ASKED, authors=("alice@corp", "eve"))},
            "AuthorUnknown",
            "add the line `eve: USER`",
        ),
        ({"policy": Approval(groups=["others"])}, "ApprovalVoid", "groups that are asked"),
        (
            {"ground": replace(GROUND, guarded=False)},
            "ApprovalUnguarded",
            "apply manifests/policies",
        ),
    ],
)
def test_what_does_not_count_is_refused_with_the_mend(
    changed: dict[str, Any], reason: str, says: str
) -> None:
    found = look(**changed)
    assert not found.holds
    assert found.said.reason == reason
    assert says in found.said.message
    assert found.record.by is None


def test_whoever_registered_the_same_bytes_anew_is_an_author_too() -> None:
    twice = replace(ASKED, authors=("alice@corp", "carol@corp"))
    ground = replace(GROUND, authors={**GROUND.authors, "carol@corp": "carol"})
    found = look(twice, ground=ground)
    assert found.said.reason == "ApproverIsAuthor"
    assert "other than its author alice or carol" in found.said.message
    assert look(twice, replace(CAROL, by="dave"), ground=ground).holds


def test_what_was_written_while_nothing_guarded_it_does_not_count_later_either() -> None:
    open_door = replace(GROUND, guarded=False)
    forged = look(ground=open_door)
    assert forged.said.reason == "ApprovalUnguarded"
    assert look(record=forged.record, ground=open_door).record == forged.record
    guarded = look(record=forged.record)
    assert guarded.said.reason == "ApprovalExpired"
    fresh = replace(CAROL, evidence=forged.record.evidence)
    assert look(given=fresh, record=forged.record).holds


MOMENTS = st.lists(
    st.tuples(
        st.sampled_from(["", "alice", "carol", "dave"]),  # who writes the annotation, if anybody
        st.booleans(),  # for what status shows now, or for what the first look showed
        st.sampled_from([GATES, "other"]),
        st.integers(min_value=0, max_value=100),  # hours that pass
    ),
    min_size=1,
    max_size=12,
)


@given_(MOMENTS)
def test_whatever_happens_only_a_timely_approval_by_somebody_else_holds(
    moments: list[tuple[str, bool, str, int]],
) -> None:
    record, note, hours = None, None, 0
    notes: set[tuple[str, str]] = set()
    for who, current, gates, more in moments:
        hours += more
        asked, after = replace(ASKED, gates=gates), timedelta(hours=hours)
        record = look(asked, note, record, after=after).record
        if who:
            note = Given(ASKED.revision, record.evidence if current else EVIDENCE, who)
            notes.add((note.by, note.evidence))
        found = look(asked, note, record, after=after)
        again = look(asked, note, found.record, after=after)
        assert (again.said, again.record) == (found.said, found.record), "a second look changes it"
        record = found.record
        if found.holds:
            assert record.by in ("carol", "dave")
            assert (record.by, record.evidence) in notes
            assert record.evidence == evidence_of(asked, POLICY.groups, record.lapsed)
            assert record.expires is not None
            assert moment(record.expires) > NOW + after


def test_a_recorded_approval_holds_without_its_annotation() -> None:
    first = look()
    later = look(given=None, record=first.record, after=timedelta(hours=71))
    assert later.holds
    assert later.record == first.record
    other = Given("flights-3", "0" * 64, "dave")
    assert look(given=other, record=first.record).holds


def test_a_recorded_approval_is_void_when_gates_say_something_else() -> None:
    first = look()
    later = look(replace(ASKED, gates="0"), given=CAROL, record=first.record)
    assert later.said.reason == "ApprovalVoid"
    assert later.record.by is None


def test_an_approval_runs_out_and_its_text_does_not_count_again() -> None:
    first = look()
    end = timedelta(hours=72)
    ran_out = look(record=first.record, after=end)
    assert not ran_out.holds
    assert ran_out.said.reason == "ApprovalExpired"
    assert ran_out.record.lapsed == first.record.expires
    assert look(record=ran_out.record, after=end).said.reason == "ApprovalExpired"
    assert look(given=None, record=ran_out.record, after=end).said.reason == "ApprovalExpired"
    again = Given("flights-2", ran_out.record.evidence, "carol")
    renewed = look(given=again, record=ran_out.record, after=end)
    assert renewed.holds
    assert renewed.record.at == "2026-01-04T12:00:00Z"
    assert look(given=again, record=renewed.record, after=end).record == renewed.record


def test_what_serves_already_is_asked_nothing() -> None:
    serving = replace(ASKED, serves=True, authors=(None,))
    assert look(serving, given=None).said.reason == "ServesAlready"
    first = look()
    found = look(serving, given=None, record=first.record, after=timedelta(days=30))
    assert found.holds
    assert found.record == first.record


def test_evidence_depends_on_no_order_and_on_everything_else() -> None:
    assert evidence_of(ASKED, ["b", "a"], None) == evidence_of(ASKED, ["a", "b"], None)
    every = {
        evidence_of(ASKED, ["a"], None),
        evidence_of(ASKED, ["a"], "2026-01-01T00:00:00Z"),
        evidence_of(ASKED, ["b"], None),
        evidence_of(replace(ASKED, digest="e" * 64), ["a"], None),
        evidence_of(replace(ASKED, gates="0"), ["a"], None),
    }
    assert len(every) == 5


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "[]",
        '{"revision": "r", "evidence": "e"}',
        '{"revision": "r", "evidence": "e", "by": ""}',
        '{"revision": "r", "evidence": "e", "by": 1}',
        '{"revision": "r", "evidence": "e", "by": "x", "more": "y"}',
    ],
)
def test_an_annotation_that_is_none_is_a_problem(text: str) -> None:
    found = read(text)
    assert found is not None
    assert found.problem


def test_what_is_written_is_read_again() -> None:
    assert read(None) is None
    assert read(written("r", "e", "jürgen")) == Given("r", "e", "jürgen")
    assert written("r", "e", "jürgen") == '{"revision": "r", "evidence": "e", "by": "jürgen"}'


def test_authors_are_one_a_line() -> None:
    text = "# who\nalice@corp: alice\n\nurn:x: bob\nno\n: none\nbot: system:serviceaccount:ci:bot"
    assert authors_in(text) == {
        "alice@corp": "alice",
        "urn:x": "bob",
        "bot": "system:serviceaccount:ci:bot",
    }
    assert authors_in(None) == {}
