"""What every answer must keep to: ranges and categories."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.gate import OutputExpectation
from tidegate.domain.gates.expectations import violations

RANGE = {"min": 0, "max": 1}
WORDS = {"values": ["on-time", "late", "1", "true", "0.5"]}


def said(value: Any, expected: dict[str, Any], *, name: str = "p") -> str:
    one = OutputExpectation.model_validate({"name": "p", **expected})
    return "; ".join(violations("sunny", {name: [value]}, [one]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, RANGE), (1, RANGE), (0.5, RANGE), (-1e9, {"max": 0}), (7, {"min": 7}),
        ("late", WORDS), (1, WORDS), (1.0, WORDS), (True, WORDS), (0.5, WORDS), ("1", WORDS),
    ],
)  # fmt: skip
def test_a_value_that_is_within_says_nothing(value: Any, expected: dict[str, Any]) -> None:
    assert said(value, expected) == ""


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        (1.5, RANGE, "sunny, p[0] is 1.5, over 1"),
        (-0.25, RANGE, "sunny, p[0] is -0.25, below 0"),
        (None, RANGE, "sunny, p[0] is null, and no number"),
        (True, RANGE, "sunny, p[0] is true, and no number"),
        ("1", RANGE, 'sunny, p[0] is "1", and no number'),
        (float("inf"), {"min": 0}, "and no number"),
        ("early", WORDS, 'p[0] is "early", none of on-time, late, 1, true, 0.5'),
        ("1.0", WORDS, "none of"),
        (2, WORDS, "none of"),
        (False, WORDS, "none of"),
        (None, WORDS, "none of"),
        (["late"], WORDS, "none of"),
    ],
)
def test_a_value_that_is_not_is_named(value: Any, expected: dict[str, Any], words: str) -> None:
    assert words in said(value, expected)


def test_an_output_that_is_missing_is_named() -> None:
    assert said(1, RANGE, name="q") == "sunny, p is missing in the answer"


def test_an_output_without_values_keeps_to_nothing() -> None:
    expected = [OutputExpectation.model_validate({"name": "p", **RANGE})]
    assert list(violations("sunny", {"p": []}, expected)) == ["sunny, p has no values"]
