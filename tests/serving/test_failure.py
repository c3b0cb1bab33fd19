"""The last line fits a pod's termination message and is JSON whatever it says."""

from __future__ import annotations

import json

import pytest

from tidegate.errors import Terminal
from tidegate.serving.failure import termination_line


@pytest.mark.parametrize("message", ["short", "a" * 10_000, "ä\n\"'" * 3_000, "😀" * 5_000])
def test_a_line_is_one_line_of_json_that_fits_a_termination_message(message: str) -> None:
    line = termination_line(Terminal("LoadFailed", message))
    assert len(line.encode()) < 2048
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed["reason"] == "LoadFailed"
    assert parsed["message"][:5] == message[:5]
