from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tidegate.demo.trained import Trained, content_key, train
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from pathlib import Path

# stands for the interpreter of the environment `train`: called as `python -m MODULE --out DIR`
TRAINS = """#!/bin/sh
echo "v1: trained"
mkdir -p "$4"
echo a model > "$4/v1.skops"
cat > "$4/trained.json" <<END
{"models": {"v1": {"file": "v1.skops", "sha256": "ab", "about": "x", "auc": null,
 "milliseconds": 2.5}}}
END
"""
FAILS = """#!/bin/sh
echo "no flights"
exit 3
"""


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEGATE_ENVS", str(tmp_path / "env"))
    return tmp_path / "env"


def interpreter(environments: Path, script: str) -> Path:
    python = environments / "train" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(script)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def test_what_was_trained_once_is_kept(tmp_path: Path, environments: Path) -> None:
    python = interpreter(environments, TRAINS)
    said: list[str] = []
    first = train(tmp_path / "cache", say=said.append)
    assert said == ["v1: trained"]
    assert first.folder.name == content_key()
    assert first.versions["v1"].auc is None
    assert first.versions["v1"].file.read_text() == "a model\n"
    python.unlink()
    assert train(tmp_path / "cache", say=said.append) == first
    assert said == ["v1: trained"]


def test_a_training_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, environments: Path
) -> None:
    interpreter(environments, FAILS)
    with pytest.raises(Terminal, match="no flights") as raised:
        train(tmp_path / "cache", say=lambda _: None)
    assert raised.value.reason == "TrainingFailed"
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("environments")
def test_without_the_environment_it_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="make setup"):
        train(tmp_path / "cache", say=lambda _: None)


def test_a_folder_that_is_not_whole_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "v1.skops").write_text("half")
    with pytest.raises(FileNotFoundError):
        Trained.open(tmp_path)
