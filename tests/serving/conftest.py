"""A model server as it runs in a pod: a process of the runtime's own environment, over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
PYTHON = ENVIRONMENTS / "v2" / "bin" / "python"
PROCESS_ENV = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT / "operator"),
    "PYTHONUNBUFFERED": "1",
}
START_S = 40.0

SIGNATURE = {
    "inputs": [{"name": "temp", "type": "FP64"}, {"name": "wind", "type": "FP64"}],
    "outputs": [{"name": "probability", "type": "FP64"}],
}


@dataclass
class Artifact:
    """A file and its digest."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Artifact:
        return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())


@dataclass
class ServerProcess:
    """A running server. `log` is what it has written so far."""

    process: subprocess.Popen[bytes]
    log_file: Path
    address: str = "127.0.0.1"
    port: int = 0
    metrics_port: int = 0
    outputs_port: int = 0
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def get(self, path: str) -> httpx.Response:
        return self.client.get(self.url + path)

    def metrics(self) -> str:
        answer = self.client.get(f"http://{self.address}:{self.metrics_port}/metrics")
        assert answer.status_code == 200
        return answer.text

    def outputs(self, since: str | None = None, **query: str) -> httpx.Response:
        given = query if since is None else {"since": since, **query}
        url = f"http://{self.address}:{self.outputs_port}/tidegate/v1/outputs"
        return self.client.get(url, params=given)

    def infer(self, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            f"{self.url}/v2/models/flights/infer",
            content=content,
            headers={"content-type": "application/json", **headers},
        )

    def wait_until_listening(self) -> None:
        line = r"listening address=\S+ port=(\d+) metrics=(\d+) outputs=(\d+)"
        found = self._wait_for(lambda: re.search(line, self.log))
        self.port, self.metrics_port, self.outputs_port = map(int, found.groups())

    def wait_until_ready(self) -> None:
        self._wait_for(lambda: self.get("/v2/health/ready").status_code == 200)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, within: float = START_S) -> int:
        return self.process.wait(timeout=within)

    def last_line(self) -> Any:
        return json.loads(self.log.strip().splitlines()[-1])

    def _wait_for[T](self, look: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if found := look():
                return found
            assert self.process.poll() is None, f"the server ended:\n{self.log}"
            time.sleep(0.05)
        raise AssertionError(f"not within {START_S} s:\n{self.log}")


@contextmanager
def running(
    folder: Path, artifact: Artifact, *, ready: bool = True, **settings: str
) -> Iterator[ServerProcess]:
    """A server of `artifact`; by default waited for until it is ready. Killed at the end."""
    environment = {
        **PROCESS_ENV,
        "TIDEGATE_MODEL": "flights",
        "TIDEGATE_NAMESPACE": "default",
        "TIDEGATE_REVISION": "flights-0a1b2c3d",
        "TIDEGATE_ARTIFACT": str(artifact.path),
        "TIDEGATE_SHA256": artifact.sha256,
        "TIDEGATE_FORMAT": "sklearn-skops",
        "TIDEGATE_SIGNATURE": json.dumps(SIGNATURE),
        "TIDEGATE_PORT": "0",
        "TIDEGATE_METRICS_PORT": "0",
        "TIDEGATE_OUTPUTS_PORT": "0",
        "POD_IP": "127.0.0.1",
        **settings,
    }
    folder.mkdir(exist_ok=True)
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "tidegate.serving.server"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = ServerProcess(process, log_file, environment["POD_IP"])
    try:
        if ready:
            server.wait_until_listening()
            server.wait_until_ready()
        yield server
    finally:
        server.client.close()
        process.kill()
        process.wait(timeout=10)


def fitted() -> LogisticRegression:
    """Knows that it is 1 when temp is above wind; raises on NaN, as this estimator does."""
    x = np.random.default_rng(7).normal(size=(300, 2))
    return LogisticRegression().fit(x, (x[:, 0] > x[:, 1]).astype(int))


@pytest.fixture(scope="session")
def logistic(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp("artifact") / "model.skops"
    skops.io.dump(fitted(), path)
    return Artifact.of(path)


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """`running`, for tests that need a server of their own."""
    return running


@pytest.fixture(scope="session")
def server(logistic: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One ready server for all tests that leave it as it is."""
    with running(
        tmp_path_factory.mktemp("server"), logistic, TIDEGATE_MAX_BODY_BYTES="65536"
    ) as server:
        yield server


@pytest.fixture
def artifact() -> Callable[[Path], Artifact]:
    """A file with its digest."""
    return Artifact.of


@pytest.fixture
def artifact_of(tmp_path: Path) -> Callable[[Any], Artifact]:
    """An estimator, saved by skops."""

    def save(estimator: Any) -> Artifact:
        path = tmp_path / "estimator.skops"
        skops.io.dump(estimator, path)
        return Artifact.of(path)

    return save
