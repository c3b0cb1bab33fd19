"""Makes a git repository with outputs that DVC itself tracks and pushed; runs where DVC is.

    python tests/artifacts/dvc_repository.py FOLDER REMOTE

Two commits: of the first `v1` is an annotated tag and `team/next` a branch, of the second `main`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo

STAGES = """\
stages:
  train:
    cmd: cp data.csv models/made.bin
    deps: [data.csv, train.py]
    outs: [models/made.bin, models/kept.txt: {cache: false}]
  later:
    cmd: "false"
    outs: [models/unmade.bin]
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit(repository: Repo, folder: Path, files: dict[str, str], *, tracked: list[str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    repository.add(tracked)
    repository.push()
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")


def main(folder: Path, remote: str) -> None:
    folder.mkdir(parents=True)
    os.chdir(folder)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "user.name", "a")
    git(folder, "config", "user.email", "a@example")
    with Repo.init(str(folder)) as repository, repository.config.edit() as config:
        config["core"]["remote"] = "store"
        config["remote"] = {"store": {"url": remote}}
    repository = Repo(str(folder))
    first = {
        "models/flight.skops": "first",
        "models/tree/MLmodel": "flavors",
        "models/tree/sub/model.bin": "weights",
        "README.md": "# Flights",
    }
    commit(repository, folder, first, tracked=["models/flight.skops", "models/tree"])
    git(folder, "tag", "--annotate", "v1", "--message", "first")
    git(folder, "branch", "team/next")
    (folder / "data.csv").write_text("1,2\n")
    (folder / "train.py").write_text("# copies\n")
    repository.add(["data.csv"])
    (folder / "models/made.bin").write_text("1,2\n")
    (folder / "models/kept.txt").write_text("kept")
    (folder / "dvc.yaml").write_text(STAGES)
    repository.commit("train", force=True)
    commit(repository, folder, {"models/flight.skops": "second"}, tracked=["models/flight.skops"])
    bare = folder.parent / "flights.git"
    git(folder, "clone", "--quiet", "--bare", str(folder), str(bare))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
