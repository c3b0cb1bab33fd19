"""Makes a git repository with outputs that DVC itself tracks and pushed; runs where DVC is.

    python tests/artifacts/dvc_repository.py FOLDER REMOTE [FILE NEXT]

Two commits: of the first `v1` is an annotated tag and `team/next` a branch, of the second `main`.
With two files, `models/served` of `main` is the first, and of a branch `next` the second.
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
  evaluate:
    cmd: "true"
    deps: [models/made.bin, holdout.csv, judge.py]
    metrics: [scores.json: {cache: false}, stale.json: {cache: false}]
  before:
    cmd: "true"
    deps: [models/flight.skops]
    metrics: [before.json: {cache: false}]
  elsewhere:
    cmd: "true"
    deps: [holdout.csv]
    metrics: [other.json: {cache: false}]
  later:
    cmd: "false"
    outs: [models/unmade.bin]
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit(repository: Repo, folder: Path, files: dict[str, bytes], *, tracked: list[str]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    repository.add(tracked)
    repository.push()
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")


def main(folder: Path, remote: str, served: list[str]) -> None:
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
        "models/flight.skops": b"first",
        "models/tree/MLmodel": b"flavors",
        "models/tree/sub/model.bin": b"weights",
        "README.md": b"# Flights",
    }
    commit(repository, folder, first, tracked=["models/flight.skops", "models/tree"])
    git(folder, "tag", "--annotate", "v1", "--message", "first")
    git(folder, "branch", "team/next")
    (folder / "data.csv").write_text("1,2\n")
    (folder / "train.py").write_text("# copies\n")
    (folder / "judge.py").write_text("# judges\n")
    (folder / "holdout.csv").write_text("3,4\n")
    (folder / "scores.json").write_text(
        '{"test": {"auc": 0.81, "n": 50}, "of": "made", "nan": NaN}'
    )
    (folder / "stale.json").write_text('{"auc": 0.5}')
    (folder / "before.json").write_text('{"auc": 0.7}')
    (folder / "other.json").write_text('{"auc": 0.6}')
    repository.add(["data.csv", "holdout.csv"])
    (folder / "models/made.bin").write_text("1,2\n")
    (folder / "models/kept.txt").write_text("kept")
    (folder / "dvc.yaml").write_text(STAGES)
    for stage in ("train", "evaluate", "before", "elsewhere"):
        repository.commit(stage, force=True)
    (folder / "stale.json").write_text('{"auc": 0.99}')
    commit(repository, folder, {"models/flight.skops": b"second"}, tracked=["models/flight.skops"])
    inside = folder / "ml"
    inside.mkdir()
    with Repo.init(str(inside), subdir=True) as made, made.config.edit() as config:
        config["core"]["remote"] = "store"
        config["remote"] = {"store": {"url": remote}}
    os.chdir(inside)
    commit(Repo(str(inside)), inside, {"inner": b"inner"}, tracked=["inner"])
    os.chdir(folder)
    for branch, file in zip(("main", "next"), served, strict=False):
        git(folder, "checkout", "-B", branch)
        content = {"models/served": Path(file).read_bytes()}
        commit(repository, folder, content, tracked=["models/served"])
    git(folder, "checkout", "main")
    bare = folder.parent / "flights.git"
    git(folder, "clone", "--quiet", "--bare", str(folder), str(bare))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:])
