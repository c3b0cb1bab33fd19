"""The real training on the real flights, in the environment that trains."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tidegate.demo.replay import Replay
from tidegate.local.cluster.images import SOURCE_ROOT, environments_folder

if TYPE_CHECKING:
    from pathlib import Path

# Everything but v4, whose many trees take most of the time.
QUICK = """
import sys, pathlib, tidegate.demo.train as train
del train.VERSIONS["v4"]
train.train_all(pathlib.Path(sys.argv[1]), say=lambda text: None)
"""


pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("trained")
    python = environments_folder() / "train" / "bin" / "python"
    subprocess.run(
        [str(python), "-W", "ignore", "-c", QUICK, str(out)],
        env={"PYTHONPATH": str(SOURCE_ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=100,
    )
    return out, json.loads((out / "trained.json").read_text())


def test_v2_is_better_on_later_flights_than_v1(trained: tuple[Path, dict[str, Any]]) -> None:
    models = trained[1]["models"]
    assert 0.63 < models["v1"]["auc"] < 0.70
    assert 0.70 < models["v2"]["auc"] < 0.76
    assert models["v3"]["auc"] is None


def test_the_digests_are_those_of_the_files(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = trained
    for model in summary["models"].values():
        content = (folder / model["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == model["sha256"]


def test_the_replay_holds_every_later_flight_with_the_gaps_of_its_weather(
    trained: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = trained
    rows = np.fromfile(folder / "replay.f64", dtype="<f8").reshape(-1, len(summary["columns"]))
    assert len(rows) == len(Replay.open(folder)) == summary["replay"]["flights"]
    assert len(rows) == 115_215
    missing = np.isnan(rows).mean(axis=0)
    gaps = dict(zip(summary["columns"], missing.tolist(), strict=True))
    # July to October: 5.8 to 12.2 % of a month's flights are without air pressure
    assert 0.08 < gaps["pressure"] < 0.11
    assert gaps["sched_dep"] == gaps["carrier"] == gaps["distance"] == 0
