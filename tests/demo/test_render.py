from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from tidegate.demo.render import free_port, place_artifacts, port_of, render
from tidegate.demo.trained import Trained, Version

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_only_places_differ_between_a_rendered_example_and_the_committed_one(
    tmp_path: Path,
) -> None:
    artifacts = tmp_path / "artifacts"
    written = render(tmp_path / "out", artifacts=artifacts, port=18080)
    assert [file.name for file in written] == sorted(
        file.name for file in EXAMPLES.glob("[0-9]*.yaml")
    )
    for file in written:
        committed = (EXAMPLES / file.name).read_text().splitlines()
        changed = [
            (before.strip(), after.strip())
            for before, after in zip(committed, file.read_text().splitlines(), strict=True)
            if before != after
        ]
        for before, after in changed:
            if before.startswith("port:"):
                assert after == "port: 18080"
            else:
                name = before.partition("/artifacts/")[2]
                assert after == f"uri: {artifacts.as_uri()}/{name}"


def test_each_model_example_gets_this_machines_artifact(tmp_path: Path) -> None:
    render(tmp_path, artifacts=tmp_path / "there", port=8080)
    for name in ("02-model", "03-rollout", "04-better-version", "06-slow-version"):
        text = (tmp_path / f"{name}.yaml").read_text()
        assert "file:///artifacts/" not in text
        assert (tmp_path / "there").as_uri() in text


def test_artifacts_are_copied_whole(tmp_path: Path) -> None:
    source = tmp_path / "v1.skops"
    source.write_bytes(b"a model")
    digest = hashlib.sha256(b"a model").hexdigest()
    trained = Trained(tmp_path, {"v1": Version(source, digest, "", 0.7, 1.0)})
    place_artifacts(trained, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "v1.skops").read_bytes() == b"a model"
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["v1.skops"]


def test_a_port_that_is_taken_is_not_given(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = int(taken.getsockname()[1])
        other = free_port(busy)
        assert other not in (0, busy)
    assert free_port(other) == other


@pytest.mark.parametrize("line", ["port: 8080\n", "file:///artifacts/"])
def test_the_examples_hold_what_is_replaced(line: str) -> None:
    assert any(line in file.read_text() for file in EXAMPLES.glob("[0-9]*.yaml"))


def test_a_folder_knows_the_port_that_it_was_made_with(tmp_path: Path) -> None:
    assert port_of(tmp_path) is None
    render(tmp_path, artifacts=tmp_path / "artifacts", port=18080)
    assert port_of(tmp_path) == 18080
