"""The comparer as it runs in a pod: a process beside two arms' real model servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import skops.io
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LogisticRegression
from tests.serving.conftest import PROCESS_ENV, PYTHON, Artifact, ServerProcess, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STABLE, CANDIDATE = (f"127.{10 + os.getpid() % 50}.{os.getpid() // 50 % 256}.{i}" for i in (1, 2))
"""Pods have an address each and the same ports: here too, and not those of a local cluster."""

OUTPUTS_PORT = "18082"


def an_artifact(path: Path, *, above: float) -> Artifact:
    """Says 1 where temp is above `above` (wind plays no part)."""
    x = np.random.default_rng(7).normal(size=(400, 2))
    skops.io.dump(LogisticRegression(C=1e6).fit(x, (x[:, 0] > above).astype(int)), path)
    return Artifact.of(path)


@contextmanager
def an_arm(folder: Path, address: str, revision: str, *, above: float) -> Iterator[ServerProcess]:
    folder.mkdir()
    artifact = an_artifact(folder / "model.skops", above=above)
    with running(
        folder,
        artifact,
        POD_IP=address,
        TIDEGATE_REVISION=revision,
        TIDEGATE_OUTPUTS_PORT=OUTPUTS_PORT,
    ) as server:
        yield server


@contextmanager
def a_comparer(folder: Path, **changes: str) -> Iterator[Comparer]:
    environment = {
        **PROCESS_ENV,
        "TIDEGATE_NAMESPACE": "demo",
        "TIDEGATE_MODEL": "flights",
        "TIDEGATE_STABLE": "flights-1",
        "TIDEGATE_STABLE_HOSTS": STABLE,
        "TIDEGATE_CANDIDATE": "flights-2",
        "TIDEGATE_CANDIDATE_HOSTS": CANDIDATE,
        "TIDEGATE_TOLERANCE": "0.01",
        "TIDEGATE_OUTPUTS_PORT": OUTPUTS_PORT,
        "TIDEGATE_METRICS_PORT": "0",
        "TIDEGATE_INTERVAL_S": "0.05",
        "POD_IP": "127.0.0.1",
        **changes,
    }
    log_file = folder / f"comparer-{time.monotonic_ns()}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "tidegate.comparing"], env=environment, stdout=log, stderr=log
        )
    try:
        yield Comparer(process, log_file)
    finally:
        process.kill()
        process.wait(timeout=10)


class Comparer:
    """A running comparer."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.process = process
        self._log_file = log_file
        self._port = 0

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def get(self, path: str) -> httpx.Response:
        if not self._port:
            found = self.wait_for(lambda: re.search(r"listening address=\S+ port=(\d+)", self.log))
            self._port = int(found[1])
        return httpx.get(f"http://127.0.0.1:{self._port}{path}", timeout=10)

    def counted(self) -> dict[tuple[str, ...], float]:
        """By short name, and the label beyond the model's own."""
        own = ("namespace", "model", "stable", "candidate")
        return {
            (
                sample.name.removeprefix("tidegate_shadow_"),
                *(value for name, value in sample.labels.items() if name not in own),
            ): sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
        }

    def wait_until(self, **wanted: float) -> dict[tuple[str, ...], float]:
        """The counters, once those named are what is wanted."""

        def look() -> dict[tuple[str, ...], float] | None:
            found = self.counted()
            reached = all(found[name,] == value for name, value in wanted.items())
            return found if reached else None

        found: dict[tuple[str, ...], float] = self.wait_for(look)
        return found

    def wait_until_reading(self) -> None:
        def look() -> bool:
            found = self.counted()
            return bool(found["pods", "stable"] and found["pods", "candidate"])

        self.wait_for(look)

    def wait_for(self, look: Any) -> Any:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if found := look():
                return found
            assert self.process.poll() is None, f"the comparer ended:\n{self.log}"
            time.sleep(0.05)
        raise AssertionError(f"not within 30 s:\n{self.log}")


def ask(server: ServerProcess, request_id: str, temp: float | None) -> None:
    body = {
        "inputs": [
            {"name": "temp", "datatype": "FP64", "shape": [1], "data": [temp]},
            {"name": "wind", "datatype": "FP64", "shape": [1], "data": [0.0]},
        ]
    }
    server.infer(body, **{"x-request-id": request_id})


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Stable and candidate: they agree but where temp is between 0 and 1."""
    folder = tmp_path_factory.mktemp("arms")
    with (
        an_arm(folder / "stable", STABLE, "flights-1", above=0.0) as stable,
        an_arm(folder / "candidate", CANDIDATE, "flights-2", above=1.0) as candidate,
    ):
        yield stable, candidate


def test_mirrored_requests_are_paired_compared_and_counted(
    arms: tuple[ServerProcess, ServerProcess], tmp_path: Path
) -> None:
    stable, candidate = arms
    with a_comparer(tmp_path) as comparer:
        comparer.wait_until_reading()
        assert comparer.get("/healthz").status_code == 200
        for number in range(10):
            temp = 0.5 if number < 3 else 3.0
            for server in (stable, candidate) if number % 2 else (candidate, stable):
                ask(server, f"r{number}", temp)
        for server in arms:
            ask(server, "fails", None)
        # The pair of errors was asked for last, so the others are there when it is.
        comparer.wait_for(lambda: comparer.counted()["error_pairs_total", "both"] == 1)
        found = comparer.wait_until(pairs_total=10, disagree_total=3)
        assert found["difference_count_total", "probability"] == 10
        assert found["difference_negative_total", "probability"] > 2
        assert found["difference_positive_total", "probability"] < 0.1
        assert 2 < found["difference_squares_total", "probability"] < 4
        assert {name for name, value in found.items() if name[0] == "lost_total" and value} == set()


def test_a_comparer_that_starts_again_counts_no_pair_a_second_time(
    arms: tuple[ServerProcess, ServerProcess], tmp_path: Path
) -> None:
    stable, candidate = arms
    with a_comparer(tmp_path) as comparer:
        comparer.wait_until_reading()
        for server in arms:
            ask(server, "before", 3.0)
        comparer.wait_until(pairs_total=1)
        comparer.process.send_signal(signal.SIGTERM)
        assert comparer.process.wait(timeout=20) == 0
    ask(stable, "between", 3.0)
    with a_comparer(tmp_path) as comparer:
        comparer.wait_until_reading()
        ask(candidate, "between", 3.0)
        for server in arms:
            ask(server, "after", 3.0)
        comparer.wait_until(pairs_total=1)


def test_a_wrong_setting_is_the_last_line_of_its_log(tmp_path: Path) -> None:
    with a_comparer(tmp_path, TIDEGATE_TOLERANCE="much") as comparer:
        assert comparer.process.wait(timeout=20) == 1
        assert "TIDEGATE_TOLERANCE" in comparer.log.splitlines()[-1]
