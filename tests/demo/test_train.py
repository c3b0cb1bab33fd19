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


PYTHON = environments_folder() / "train" / "bin" / "python"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("trained")
    subprocess.run(
        [str(PYTHON), "-W", "ignore", "-c", QUICK, str(out)],
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


ANSWERS = """
import json, pathlib, sys, joblib, numpy, onnxruntime, skops.io
from tidegate.demo.flights import COLUMNS
folder = pathlib.Path(sys.argv[1])
rows = numpy.fromfile(folder / "replay.f64", "<f8").reshape(-1, len(COLUMNS))[:3000]
skops_types = skops.io.get_untrusted_types(file=folder / "v1.skops")
want = skops.io.load(folder / "v1.skops", trusted=skops_types).predict_proba(rows)[:, 1]
off = {"v1.joblib": abs(joblib.load(folder / "v1.joblib").predict_proba(rows)[:, 1] - want)}
for name in ("v1.onnx", "triton/flight-delay/1/model.onnx"):
    graph = onnxruntime.InferenceSession(folder / name)
    (gave,) = graph.run(["probability"], {n: rows[:, i] for i, n in enumerate(COLUMNS)})
    off[name] = abs(gave - want)
print(json.dumps({name: float(each.max()) for name, each in off.items()}))
"""


def test_v1_answers_the_same_in_each_of_its_forms(trained: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = trained
    assert all((folder / name).is_file() for name in summary["exported"])
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-c", ANSWERS, str(folder)],
        env={"PYTHONPATH": str(SOURCE_ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    )
    off = json.loads(done.stdout)
    assert set(off) | {"triton/flight-delay/config.pbtxt"} == set(summary["exported"])
    assert max(off.values()) < 1e-6, off


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
