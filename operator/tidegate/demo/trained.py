"""The trained versions, made once and kept by what they were made from.

The key is a hash of the training code and of the lock that it ran under, so a change of either
trains anew and nothing else does. Knows where the environment `train` is; trains nothing itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT, environments_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRAINING_LIMIT_S = 600


@dataclass(frozen=True)
class Version:
    """One trained version. `auc` is None for one that fails on some flights."""

    file: Path
    sha256: str
    about: str
    auc: float | None
    milliseconds: float


@dataclass(frozen=True)
class Trained:
    """A folder with `v1.skops` …, the replay and the summary.

    `exported` are v1's other forms, by their paths below the folder.
    """

    folder: Path
    versions: Mapping[str, Version]
    exported: tuple[str, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> Trained:
        """What the training left in a folder. :raises OSError: when it is not whole."""
        summary = json.loads((folder / "trained.json").read_text())
        versions = {
            name: Version(
                file=folder / model["file"],
                sha256=model["sha256"],
                about=model["about"],
                auc=model["auc"],
                milliseconds=model["milliseconds"],
            )
            for name, model in summary["models"].items()
        }
        return cls(folder, versions, tuple(summary.get("exported", ())))


def content_key() -> str:
    """What the trained versions depend on, as one short hash."""
    together = hashlib.sha256()
    here = Path(__file__).parent
    code = (here / name for name in ("flights.py", "train.py", "export.py"))
    for file in (*code, CHECKOUT / "requirements" / "train.txt"):
        together.update(file.read_bytes() if file.exists() else b"")
        together.update(b"\0")
    return together.hexdigest()[:16]


def train(cache: Path, *, say: Callable[[str], object]) -> Trained:
    """The trained versions from `cache`, trained first when they are not there (about 20 s).

    :raises Terminal: `TrainingFailed`, with what the training wrote.
    """
    folder = cache / content_key()
    if (folder / "trained.json").exists():
        return Trained.open(folder)
    python = environments_folder() / "train" / "bin" / "python"
    if not python.exists():
        raise Terminal("TrainingFailed", f"there is no {python}; run `make setup` first")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        work = Path(scratch) / "out"
        _run_training(python, work, say=say)
        # Another demo may have been quicker: then its files are as good as ours.
        if not folder.exists():
            work.rename(folder)
    return Trained.open(folder)


def _run_training(python: Path, out: Path, *, say: Callable[[str], object]) -> None:
    command = [str(python), "-m", "tidegate.demo.train", "--out", str(out)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE_ROOT),
        "PYTHONWARNINGS": "ignore",
        # On a busy machine, threads that wait for each other made this ten times slower.
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            say(line.rstrip())
        code = process.wait(timeout=TRAINING_LIMIT_S)
    if code != 0:
        raise Terminal("TrainingFailed", "the training failed:\n" + "".join(lines[-20:]))
