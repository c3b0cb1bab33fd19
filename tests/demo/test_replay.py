from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING

import pytest

from tidegate.demo.replay import Replay

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "replay.f64").write_bytes(struct.pack("<4d", 1.0, math.nan, 2.0, 3.5))
    summary = {"columns": ["a", "b"], "replay": {"file": "replay.f64", "flights": 2}}
    (tmp_path / "trained.json").write_text(json.dumps(summary))
    return tmp_path


def test_a_request_names_every_column_and_says_null_for_what_is_missing(folder: Path) -> None:
    assert json.loads(Replay.open(folder).body(0)) == {
        "id": "0",
        "inputs": [
            {"name": "a", "datatype": "FP64", "shape": [1], "data": [1.0]},
            {"name": "b", "datatype": "FP64", "shape": [1], "data": [None]},
        ],
    }


def test_after_the_last_flight_the_first_comes_again(folder: Path) -> None:
    replay = Replay.open(folder)
    bodies = [json.loads(replay.body(number))["inputs"] for number in range(4)]
    assert bodies[0] == bodies[2]
    assert bodies[1] == bodies[3]
    assert bodies[0] != bodies[1]
