"""Every formula against numbers from a second implementation (30 digits), to 1e-6.

The runner is the one behind `make vectors`; so it is tested here as well.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.stats.methods import METHODS
from tests.stats.vectors import Vector, agree, difference, load, main, report

REFERENCE = Path(__file__).with_name("reference.json")
VECTORS = load(REFERENCE)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.method for vector in VECTORS])
def test_it_agrees_with_the_reference(vector: Vector) -> None:
    assert difference(vector) is None


def test_every_method_is_compared_several_times() -> None:
    counts = {method: [v.method for v in VECTORS].count(method) for method in METHODS}
    assert {v.method for v in VECTORS} == set(METHODS)
    assert min(counts.values()) >= 6


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (1.0, 1.0 + 1.9e-6, True),
        (1.0, 1.0 + 2.1e-6, False),
        (1e9, 1e9 + 900, True),
        (math.inf, math.inf, True),
        (1e308, math.inf, False),
        (math.nan, math.nan, True),
        (0.0, math.nan, False),
        (math.nan, 0.0, False),
        ((1, 2), [1.0, 2.0], True),
        ((1,), [1.0, 2.0], False),
        (3.0, [3.0], False),
        ({"a": 1.0}, {"a": 1.0}, True),
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}, False),
        ("Promote", "Promote", True),
        ("Promote", "Continue", False),
        (None, 0.0, False),
        (None, math.nan, True),
        (None, None, True),
        (True, 1.0, False),
    ],
)
def test_results_agree_only_within_the_tolerance(got: Any, expected: Any, same: bool) -> None:
    assert agree(got, expected) is same


def test_a_file_of_the_long_form_is_read_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = [v._asdict() for v in VECTORS if v.method in ("psi_threshold", "decide", "cbpe")]
    file = tmp_path / "vectors.json"
    # json writes infinities as bare words; the runner reads those and texts alike.
    file.write_text(json.dumps({"conventions": "", "grids": {}, "vectors": vectors}))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == f"{len(vectors)} passed, 0 failed\n"


def test_an_unknown_method_a_wrong_value_and_an_error_are_failures() -> None:
    text, failed = report(
        [
            Vector("tea_leaves", {}, 1.0),
            Vector("p_to_e", {"p": 0.1}, 1.0),
            Vector("p_to_e", {"p": 2.0}, 1.0),
            Vector("p_to_e", {}, 1.0),
            Vector("p_to_e", {"p": 0.1}, 1.263210791),
        ]
    )
    assert failed == 4
    assert text.endswith("1 passed, 4 failed\n")
    for words in ("unknown method", "got 1.263", "ValueError", "KeyError: 'p'"):
        assert words in text


def test_the_command_says_what_failed_by_its_exit_status(tmp_path: Path) -> None:
    runner = REFERENCE.with_name("vectors.py")
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"bh": {"of": ["p", "q"], "rows": [[[0.5], 0.1, [0]]]}}')
    no_vectors = tmp_path / "text.json"
    no_vectors.write_text("tide")
    for file, status, last in (
        (REFERENCE, 0, f"{len(VECTORS)} passed, 0 failed"),
        (wrong, 1, "0 passed, 1 failed"),
        (no_vectors, 2, "cannot be read as vectors"),
        (tmp_path / "missing.json", 2, "No such file"),
    ):
        done = subprocess.run(
            [sys.executable, runner, file], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == status
        assert last in (done.stdout + done.stderr).splitlines()[-1]
