"""What a container that judges says by its exit code, and by what it leaves."""

from __future__ import annotations

import pytest

from tidegate.api.gate import Gate
from tidegate.domain.gates.container import Ended, judge

GATE = Gate.model_validate({"name": "bias", "job": {"image": "checks:1", "timeout": "90s"}})
REPORT = '{"value": 0.03, "bound": "max 0.05", "message": "parity gap 0.03"}'


def said(exit_code: int | None, left: str = "") -> tuple[str, str, float | None, str]:
    found = judge(GATE, Ended(exit_code, left), source="Job bias")
    return found.result, found.reason, found.value, found.message


def test_exit_code_0_passes_and_the_report_stands_in_the_result() -> None:
    found = judge(GATE, Ended(0, f"noise\n{REPORT}\n"), source="Job bias")
    assert (found.result, found.value, found.bound) == ("Passed", 0.03, "max 0.05")
    assert found.message == "parity gap 0.03"


ENDS = [
    (0, "", ("Passed", "Passed", None, "it ended with exit code 0")),
    (0, "all well", ("Passed", "Passed", None, "all well")),
    (3, "", ("Failed", "JobFailed", None, "it ended with exit code 3")),
    (1, REPORT, ("Failed", "JobFailed", 0.03, "it ended with exit code 1: parity gap 0.03")),
    (1, "Trace\nKeyError: 'x'", (
        "Failed", "JobFailed", None, "it ended with exit code 1: Trace\nKeyError: 'x'"
    )),
    (None, "", (
        "Failed", "JobTimedOut", None, "it did not end within 1m30s; give it more, or less"
    )),
]  # fmt: skip


@pytest.mark.parametrize(("exit_code", "left", "expected"), ENDS)
def test_the_exit_code_decides(
    exit_code: int | None, left: str, expected: tuple[str, str, float | None, str]
) -> None:
    assert said(exit_code, left) == expected


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", '"0.5"', "true", "null", "1" + "0" * 400, "[1]"]
)
def test_a_value_that_is_no_finite_number_is_left_out(value: str) -> None:
    assert said(0, f'{{"value": {value}}}')[2] is None


@pytest.mark.parametrize("left", ["{", "[1, 2]", "3", '{"a": ' * 3000, "{}"])
def test_what_is_no_report_is_shown_as_it_is(left: str) -> None:
    assert said(0, left)[:3] == ("Passed", "Passed", None)
