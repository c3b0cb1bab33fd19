"""What is asked for while a source fails: by its reason, and by what was found for which spec."""

from __future__ import annotations

import pytest

from tidegate.api.model_status import ModelStatus
from tidegate.domain.asking import missing, unanswered, undecided
from tidegate.domain.conditions import Said


def status(reason: str, *, resolved: int | None, of: int = 3, state: str = "False") -> ModelStatus:
    """A status whose Resolved was said of generation `of`; `resolved` has a revision."""
    condition = {
        "type": "Resolved", "status": state, "reason": reason, "message": "why",
        "observedGeneration": of, "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return ModelStatus.model_validate({"conditions": [condition], "resolvedGeneration": resolved})


@pytest.mark.parametrize(
    ("reason", "resolved", "in_the_way"),
    [
        ("Unreachable", 3, False),
        ("ArtifactForbidden", 3, False),
        ("ArtifactNotFound", 3, False),
        ("CredentialsMissing", 3, False),
        ("Unreachable", 2, True),  # the spec was edited, and nobody knows what it means now
        ("Unreachable", None, True),
        ("FormatMismatch", 3, True),  # the source has named another version
        ("FilesMissing", 3, True),
        ("VersionPending", 3, True),
        ("Inspecting", 3, True),
        ("SignatureIncompatible", 3, True),
    ],
)
def test_what_was_found_last_is_asked_for_until_something_else_is_named(
    reason: str, resolved: int | None, in_the_way: bool
) -> None:
    found = status(reason, resolved=resolved)
    said = Said("Resolved", "False", reason, "why")
    assert missing(found, generation=3) == (said if in_the_way else None)
    assert unanswered(found, generation=3) == (None if in_the_way else said)


@pytest.mark.parametrize(
    "found",
    [
        status("Unreachable", resolved=2, of=2),  # of an earlier spec: it is asked again
        status("Resolved", resolved=3, state="True"),
        ModelStatus(),
    ],
)
def test_nothing_is_in_the_way_before_the_source_was_asked_or_when_it_answered(
    found: ModelStatus,
) -> None:
    assert missing(found, generation=3) is None
    assert unanswered(found, generation=3) is None


def test_an_earlier_revision_says_nothing_of_the_one_that_is_asked_for() -> None:
    said = undecided("GatesPassed", Said("Resolved", "Unknown", "Unreachable", "no answer"))
    assert (said.type, said.status, said.reason) == ("GatesPassed", "Unknown", "Unreachable")
    assert "no answer" in said.message
