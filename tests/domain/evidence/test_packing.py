"""States as text: short, the same again when read, and old ones stay readable."""

from __future__ import annotations

import json

import pytest

from tidegate.domain.evidence.packing import packed, unpacked

LONG = {"c": [{"g": "AAAA" * 40, "c": [0.0, 0.0], "s": [0.0, 0.0]}] * 3, "phi": [1.0] * 3}


@pytest.mark.parametrize("state", [{}, {"f": 0}, LONG])
def test_what_was_written_is_read_again(state: dict[str, object]) -> None:
    assert unpacked(packed(state)) == state


def test_the_shorter_form_is_taken() -> None:
    assert packed({"f": 0}) == '{"f":0}'
    assert len(packed(LONG)) < len(json.dumps(LONG)) / 2


def test_a_state_from_before_there_was_a_short_form_is_read() -> None:
    assert unpacked(json.dumps(LONG)) == LONG


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("", "evidence is broken"),
        ("{", "Expecting property name"),
        ("none", "evidence is broken"),
        ("AAAA", "evidence is broken"),
        ("?", "base64"),
        ("eJyLjgUAARUAuQ==", "no object"),
    ],
)
def test_what_is_no_state_is_refused(broken: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        unpacked(broken)


def test_no_infinity_is_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        packed({"x": float("inf")})
