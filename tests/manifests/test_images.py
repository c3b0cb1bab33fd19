"""What an image is given is all that runs in it: nothing that it imports is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = "/opt/source/"
RUN = {
    "runtime-v2": (
        "v2", "tidegate.serving.fetch", "tidegate.serving.signed", "tidegate.serving.server",
        "tidegate.serving.loading", "tidegate.serving.mlflow_folder", "tidegate.comparing.process",
        "tidegate.artifacts.mlflow.pickles", "tidegate.artifacts.dvc.fetcher",
    ),
}  # fmt: skip
"""By image: the environment that its requirements are of, and what it imports, early or late."""


def copied(image: str, into: Path) -> None:
    """Lay out what the COPY lines of an image put below /opt/source."""
    text = (ROOT / "manifests" / "images" / f"{image}.Containerfile").read_text()
    for line in text.splitlines():
        word, *paths = line.split() or [""]
        if word != "COPY" or not paths[-1].startswith(SOURCE):
            continue
        target = into / paths[-1].removeprefix(SOURCE)
        for path in paths[:-1]:
            if (ROOT / path).is_dir():
                shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, target)


@pytest.mark.parametrize("image", RUN)
def test_what_runs_in_an_image_finds_all_that_it_imports(image: str, tmp_path: Path) -> None:
    environment, *modules = RUN[image]
    copied(image, tmp_path)
    done = subprocess.run(
        [ROOT / ".tidegate" / "env" / environment / "bin" / "python", "-c",
         f"import {', '.join(modules)}"],
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
