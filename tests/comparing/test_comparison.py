"""When two answers to one request agree, and by how much they differ."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.comparing.comparison import Compared, Outcome, compare
from tidegate.serving.records import Record, Tensor


def answer(*values: Any, datatype: str = "FP64", name: str = "y", **changes: Any) -> Record:
    tensor = Tensor(name, datatype, changes.pop("shape", (len(values),)), list(values))
    return Record(id="r", status=changes.pop("status", 200), outputs=(tensor,))


def outcome(stable: Record, candidate: Record, *, tolerance: float = 0.01) -> Outcome:
    return compare(stable, candidate, tolerance=tolerance).outcome


@pytest.mark.parametrize(
    ("stable", "candidate", "agree"),
    [
        (answer(0.5), answer(0.5), True),
        (answer(0.5), answer(0.509), True),
        (answer(0.5), answer(0.52), False),
        (answer(1, 2, 3), answer(1, 2, 3.005), True),
        (answer(1, 2, 3), answer(1, 2, 4), False),
        (answer(math.nan), answer(math.nan), True),
        (answer(math.nan), answer(0.5), False),
        (answer(math.inf), answer(math.inf), True),
        (answer(math.inf), answer(-math.inf), False),
        (answer(math.inf), answer(1.0), False),
        (answer(3, datatype="INT64"), answer(3, datatype="INT64"), True),
        (answer(3, datatype="INT64"), answer(4, datatype="INT64"), False),
        (answer(2**62, datatype="INT64"), answer(2**62 + 1, datatype="INT64"), False),
        (answer("a", datatype="BYTES"), answer("a", datatype="BYTES"), True),
        (answer("a", datatype="BYTES"), answer("b", datatype="BYTES"), False),
        (answer(True, datatype="BOOL"), answer(False, datatype="BOOL"), False),
        (answer(1.0), answer(1.0, datatype="FP32"), False),
        (answer(1, 2, shape=(2,)), answer(1, 2, shape=(2, 1)), False),
        (answer(1, 2), answer(1), False),
        (answer(1.0), answer(1.0, name="z"), False),
        (Record("r", 200, ()), Record("r", 200, ()), True),
        (Record("r", 200, ()), answer(1.0), False),
    ],
)
def test_answers_agree_within_the_tolerance(
    stable: Record, candidate: Record, *, agree: bool
) -> None:
    assert outcome(stable, candidate) is (Outcome.AGREE if agree else Outcome.DISAGREE)
    assert outcome(candidate, stable) is (Outcome.AGREE if agree else Outcome.DISAGREE)


def test_the_tolerance_itself_still_agrees_and_zero_asks_for_equality() -> None:
    assert outcome(answer(1.0), answer(1.5), tolerance=0.5) is Outcome.AGREE
    assert outcome(answer(1.0), answer(1.0), tolerance=0.0) is Outcome.AGREE
    assert outcome(answer(1.0), answer(math.nextafter(1.0, 2)), tolerance=0.0) is Outcome.DISAGREE


def test_outputs_are_compared_by_name_in_any_order() -> None:
    a, b = Tensor("a", "FP64", (1,), [1.0]), Tensor("b", "FP64", (1,), [2.0])
    found = compare(Record("r", 200, (a, b)), Record("r", 200, (b, a)), tolerance=0)
    assert found == Compared(Outcome.AGREE, {"a": 0.0, "b": 0.0})


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        ((500, 200), Outcome.STABLE_FAILED),
        ((200, 503), Outcome.CANDIDATE_FAILED),
        ((400, 400), Outcome.BOTH_FAILED),
        ((500, 400), Outcome.BOTH_FAILED),
    ],
)
def test_a_failure_is_nobody_s_disagreement(statuses: tuple[int, int], wanted: Outcome) -> None:
    stable, candidate = (answer(1.0, status=status) for status in statuses)
    assert compare(stable, candidate, tolerance=0) == Compared(wanted)


@pytest.mark.parametrize(
    ("stable", "candidate", "differences"),
    [
        (answer(0.5), answer(0.75), {"y": 0.25}),
        (answer(3, datatype="INT64"), answer(1, datatype="INT64"), {"y": -2.0}),
        (answer(1.0), answer(2.0, datatype="FP32"), {"y": 1.0}),
        (answer(1.0, 2.0), answer(1.0, 3.0), {}),
        (answer(math.nan), answer(1.0), {}),
        (answer(1e308), answer(-1e308), {}),
        (answer(0.0), answer(1e200), {}),
        (answer(True, datatype="BOOL"), answer(False, datatype="BOOL"), {}),
        (answer("1", datatype="BYTES"), answer("2", datatype="BYTES"), {}),
    ],
)
def test_the_difference_is_candidate_minus_stable_of_single_numbers(
    stable: Record, candidate: Record, differences: dict[str, float]
) -> None:
    assert compare(stable, candidate, tolerance=0).differences == differences


@given(st.lists(st.floats(), max_size=8), st.floats(0, 1e9))
def test_whatever_is_answered_agrees_with_itself(values: list[float], tolerance: float) -> None:
    assert outcome(answer(*values), answer(*values), tolerance=tolerance) is Outcome.AGREE
