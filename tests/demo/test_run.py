"""The whole demo, as `make demo` runs it, and what it leaves behind when it is ended half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tidegate.local.cluster.images import SOURCE_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
KEPT = ("trained", "registry")
TIDEGATE = [sys.executable, "-m", "tidegate"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trained versions and the registry with them are kept from one demo to the next."""
    folder = tmp_path_factory.mktemp("kept")
    for name in KEPT:
        (folder / name).mkdir()
    return folder


@pytest.fixture
def environment(tmp_path: Path, kept: Path) -> Iterator[dict[str, str]]:
    """A place for clusters that is empty, and has none running in the end."""
    for name in KEPT:
        (tmp_path / name).symlink_to(kept / name)
    env = {**os.environ, "TIDEGATE_HOME": str(tmp_path), "PYTHONPATH": str(SOURCE_ROOT)}
    yield env
    down = [*TIDEGATE, "local", "down", "--delete", "--name", "demo"]
    subprocess.run(down, env=env, check=False, timeout=90)


def cluster_is_up(environment: dict[str, str]) -> bool:
    status = [*TIDEGATE, "local", "status", "--name", "demo"]
    return subprocess.run(status, env=environment, check=False, timeout=30).returncode == 0


def processes_of(folder: Path) -> list[str]:
    """Command lines that name a folder."""
    listed = subprocess.run(
        ["ps", "-eo", "args"], check=True, capture_output=True, text=True, timeout=10
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def test_the_whole_story_comes_true(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*TIDEGATE, "demo"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=560,
    )
    assert done.returncode == 0, done.stdout
    assert "all of it happened as it has to" in done.stdout
    assert "WRONG" not in done.stdout
    assert not cluster_is_up(environment)
    assert processes_of(tmp_path) == []


def test_a_demo_that_is_ended_half_way_leaves_nothing_running(
    environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [*TIDEGATE, "demo"], env=environment, stdin=subprocess.DEVNULL, stdout=output
        )
    deadline = time.monotonic() + 300
    while "replaying flights" not in log.read_text():
        assert demo.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(timeout=90) != 0
    assert not cluster_is_up(environment)
    assert processes_of(tmp_path) == []
