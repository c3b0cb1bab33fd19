"""What must be known of a version, and how long it was stable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.model_status import DeliveryStatus, ModelStatus, Rejection, RevisionStatus
from tidegate.api.origin import Dataset, Origin
from tidegate.domain.lineage import digest_of_parts, lacking, parts_of, served
from tidegate.domain.short_words import short
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from tidegate.api.lineage import Fact, Served

NOW = datetime(2026, 3, 2, tzinfo=UTC)
WHOLE = Origin(
    registry="mlflow", name="flights", version="7", author="ann", run="r1", git_commit="c0ffee",
    datasets=[Dataset(name="flights", digest="d1", context="training")],
)  # fmt: skip
FACTS: list[Fact] = ["run", "gitCommit", "dataset", "author"]


def test_a_version_of_which_all_is_known_lacks_nothing() -> None:
    assert lacking(FACTS, WHOLE) == ""


@pytest.mark.parametrize(
    ("fact", "without", "mend"),
    [
        ("run", {"run": None}, "tracked run"),
        ("gitCommit", {"git_commit": None}, "inside a git checkout"),
        ("dataset", {"datasets": []}, "dataset input"),
        ("author", {"author": None}, "as a user"),
    ],
)
def test_what_is_missing_is_named_with_its_mend(
    fact: Fact, without: dict[str, object], mend: str
) -> None:
    poorer = WHOLE.model_copy(update=without)
    found = lacking(FACTS, poorer)
    assert f"does not know its {fact} (" in found
    assert mend in found
    assert lacking([one for one in FACTS if one != fact], poorer) == ""


def test_an_artifact_without_a_registry_lacks_everything() -> None:
    assert "no registry knows this artifact" in lacking(["run"], None)


@given(st.lists(st.booleans(), min_size=1))
def test_a_period_of_service_begins_once_and_ends_once(looks: list[bool]) -> None:
    found: Served | None = None
    for number, is_stable in enumerate(looks):
        before = found
        found = served(found, is_stable=is_stable, now=NOW + timedelta(minutes=number))
        again = served(found, is_stable=is_stable, now=NOW + timedelta(days=9))
        assert again == found, "a second look changes nothing"
        assert (found is not None and found.until is None) == is_stable
        if found is not None and found.until is not None:
            assert moment(found.until) >= moment(found.since)
        if before is not None and before.until is not None and not is_stable:
            assert found == before


def test_parts_have_one_digest_however_they_are_ordered() -> None:
    one = {"made": {"a": 1, "b": 2}, "origin": {"c": 3}}
    other = {"origin": {"c": 3}, "made": {"b": 2, "a": 1}}
    assert digest_of_parts(one) == digest_of_parts(other)
    assert digest_of_parts(one) != digest_of_parts({"made": {"a": 1}})


@pytest.mark.parametrize(
    ("message", "lineage", "told"),
    [
        ("x" * 300, "kept", True),
        (short("x" * 300), "kept", False),
        (short("x" * 300), None, True),
        ("errors rose", "kept", True),
    ],
)
def test_a_rejection_in_fewer_words_replaces_no_whole_one(
    message: str, lineage: str | None, told: bool
) -> None:
    revision = {
        "metadata": {"name": "r1"},
        "data": {"artifact": {}, "identity": {"artifact": {}, "runtime": {}}},
    }
    entry = RevisionStatus(name="r1", number=1, digest="d", phase="Failed", lineage=lineage)
    rejection = Rejection(digest="d", revision="r1", reason="Aborted", message=message, at="t")
    status = ModelStatus(delivery=DeliveryStatus(rejected=[rejection]), conditions=[])
    assert ("rejected" in parts_of(revision, entry, status)) is told
