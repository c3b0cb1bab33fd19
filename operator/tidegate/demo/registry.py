"""A real MLflow server on this machine, as the demo's and the tests' model registry.

Knows where the environment `mlflow` is, starts a server with a database and artifacts in one
folder, waits until it answers, and ends it with everything that it started. Models are brought by
`register.py`, as a training script would. What was registered once is kept; each run has a copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT, environments_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

REGISTRY_FAILED = "RegistryFailed"
START_LIMIT_S = 120.0
END_LIMIT_S = 10.0
REGISTER_LIMIT_S = 300.0
SURROUNDINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Compiling all that mlflow imports takes three times as long as running it; once is enough.
    "PYTHONDONTWRITEBYTECODE": "",
}
"""For every process of that environment: nothing is sent to anybody."""


@dataclass
class MlflowServer:
    """A server that was begun. `folder` holds its database, artifacts and log."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address, for clients on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self, limit_s: float = START_LIMIT_S) -> None:
        """Until it answers. :raises Terminal: RegistryFailed, with the end of its log."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(f"{self.url}/health", timeout=5),
            ):
                return
            time.sleep(0.1)
        said = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise Terminal(REGISTRY_FAILED, f"the MLflow server did not start:\n{said}")

    def end(self) -> None:
        """Stop it and its workers."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_LIMIT_S)
        self.process.wait()


def mlflow_python() -> Path:
    """The interpreter of the environment `mlflow`. :raises Terminal: it was not made."""
    python = environments_folder() / "mlflow" / "bin" / "python"
    if not python.exists():
        raise Terminal(REGISTRY_FAILED, f"there is no {python}; run `make setup` first")
    return python


def begin(
    folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None
) -> MlflowServer:
    """Start a server on the data of a folder, or on none yet; `wait` tells when it is up.
    `settings` are further variables of its environment."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    command = [
        str(mlflow_python()), "-m", "mlflow", "server", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--serve-artifacts",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={
                **os.environ,
                **SURROUNDINGS,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                **(settings or {}),
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return MlflowServer(folder, port, process)


@contextlib.contextmanager
def serving(
    folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[MlflowServer]:
    """A server that answers, for as long as the block lasts."""
    server = begin(folder, port=port, settings=settings)
    try:
        server.wait()
        yield server
    finally:
        server.end()


def registered(cache: Path, trained: Path, *, say: Callable[[str], object]) -> Path:
    """A folder with a server's data in which the trained versions are registered, from `cache`;
    made first where it is not there (about 20 s). Copy it: it is not to be changed.

    :raises Terminal: RegistryFailed, with what the registering wrote.
    """
    kept = cache / f"{trained.name}-{_code_key()}-mlflow"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        work = Path(scratch) / "mlflow"
        with serving(work) as server:
            say(f"registering the versions in MLflow at {server.url}")
            _register(server.url, trained)
        # Another demo may have been quicker: then its data are as good as ours.
        if not kept.exists():
            work.rename(kept)
    return kept


def _code_key() -> str:
    """What registering depends on besides the trained versions, as a short hash."""
    together = hashlib.sha256()
    for file in (Path(__file__).with_name("register.py"), CHECKOUT / "requirements" / "mlflow.txt"):
        together.update(file.read_bytes() if file.exists() else b"")
    return together.hexdigest()[:8]


def _register(url: str, trained: Path) -> None:
    done = subprocess.run(
        [
            str(mlflow_python()), "-W", "ignore", "-m", "tidegate.demo.register",
            "--tracking", url, "--trained", str(trained),
        ],
        env={**os.environ, **SURROUNDINGS, "PYTHONPATH": str(SOURCE_ROOT)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=REGISTER_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = done.stdout.strip()[-2000:]
        raise Terminal(REGISTRY_FAILED, f"the versions could not be registered:\n{said}")


def set_alias(url: str, name: str, *, alias: str, version: str) -> None:
    """What `client.set_registered_model_alias` does. :raises OSError: the server refuses."""
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/registered-models/alias",
        data=json.dumps({"name": name, "alias": alias, "version": version}).encode(),
        headers={"content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30):
        return


REJECTED = "tidegate.rejected"
"""The tag that the example's Model gives to what was taken back."""


def registry_words(url: str, name: str, versions: Sequence[str]) -> list[str]:
    """What a registry says of each version: its aliases, and whether it was rejected.

    :raises OSError: the server does not answer.
    """
    words = []
    for version in versions:
        query = urllib.parse.urlencode({"name": name, "version": version})
        address = f"{url}/api/2.0/mlflow/model-versions/get?{query}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            found = json.load(answer)["model_version"]
        tags = [tag["key"] for tag in found.get("tags", [])]
        rejected = ["rejected"] if REJECTED in tags else []
        words.append(", ".join([*sorted(found.get("aliases", [])), *rejected]))
    return words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
