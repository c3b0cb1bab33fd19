"""One cluster for a module of tests: API server by TLS, controllers, a node with real processes.

It runs in a thread of its own, so that clients of every kind can be used as their users do. Each
test has a namespace of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.kube.client import Client
from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store, serve
from tidegate.local.cluster.kubeconfig import kubeconfig, write_kubeconfig
from tidegate.local.cluster.pki import ensure_pki
from tidegate.local.node import Node
from tidegate.local.workloads import run_workloads
from tidegate.testing.pods import TIMING, Images
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
START_S = 30.0
COMMAND_S = 60.0


@dataclass
class Running:
    """A cluster that stands."""

    folder: Path
    kubeconfig: Path
    port: int = 0
    ready: threading.Event = field(default_factory=threading.Event)
    end: Callable[[], object] = field(default=lambda: None)
    failure: BaseException | None = None

    async def serve(self) -> None:
        """Run until `end` is called."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self.end = lambda: loop.call_soon_threadsafe(ended.set)
        (self.folder / "pki").mkdir()
        pki = ensure_pki(self.folder / "pki")
        api = ApiServer(Store.open(self.folder / "api.db"), users={ADMIN_TOKEN: ADMIN})
        await api.start()
        running = await serve(api, host="127.0.0.1", port=0, cert=pki.certificate, key=pki.key)
        client = Client(InProcessTransport(api))
        node = Node(client, Images(), self.folder / "node", timing=TIMING)
        api.log_provider = node.logs
        started = [asyncio.Event(), asyncio.Event()]
        tasks = [
            asyncio.create_task(
                run_workloads(client, meter=node.meter, autoscale_every_s=1.0, started=started[0])
            ),
            asyncio.create_task(node.run(started=started[1])),
        ]
        for each in started:
            await each.wait()
        document = kubeconfig(
            server=f"https://127.0.0.1:{running.port}",
            authority=pki.authority.read_bytes(),
            token=ADMIN_TOKEN,
            context="test",
        )
        write_kubeconfig(self.kubeconfig, document)
        self.port = running.port
        self.ready.set()
        await ended.wait()
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await running.close()
        await api.stop()

    def run(self) -> None:
        """What the thread does."""
        try:
            asyncio.run(self.serve())
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.ready.set()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Running]:
    """Start a cluster below `folder`, and end it with all its processes."""
    cluster = Running(folder, folder / "kubeconfig")
    thread = threading.Thread(target=cluster.run, name="cluster", daemon=True)
    thread.start()
    try:
        assert cluster.ready.wait(START_S), "the cluster did not start"
        assert cluster.failure is None, cluster.failure
        yield cluster
    finally:
        cluster.end()
        thread.join(START_S)


@dataclass
class Kubectl:
    """The real kubectl in one namespace."""

    cluster: Running
    namespace: str

    def command(self, *arguments: str) -> list[str]:
        """The words that run it."""
        found = shutil.which("kubectl") or str(ROOT / ".tidegate" / "bin" / "kubectl")
        cache = str(self.cluster.folder / "kubectl-cache")
        config = ("--kubeconfig", str(self.cluster.kubeconfig), "--cache-dir", cache)
        return [found, *config, "--namespace", self.namespace, *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """Its environment: nothing of the user's own configuration."""
        return {**os.environ, "HOME": str(self.cluster.folder), **more}

    def __call__(
        self, *arguments: str, stdin: str | dict[str, Any] = "", code: int = 0, **env: str
    ) -> str:
        """Return what it prints, errors too; fails unless it ends with `code`."""
        text = stdin if isinstance(stdin, str) else orjson.dumps(stdin).decode()
        done = subprocess.run(
            self.command(*arguments),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            env=self.environment(**env),
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """Return what `-o json` prints."""
        found: dict[str, Any] = orjson.loads(self(*arguments, "-o", "json"))
        return found

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A kubectl that goes on, such as `get -w`; ended with the context."""
        with subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(),
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def eventually[T](look: Callable[[], T], *, within: float = 30.0) -> T:
    """Return the first true thing that `look` returns."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)
    return found


def deployment(name: str, *, replicas: int = 1, script: str = "sleep 1000") -> dict[str, Any]:
    """A Deployment whose pods run a shell script."""
    container = {"name": "c", "image": "py:1", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def pod(name: str, script: str, **spec: Any) -> dict[str, Any]:
    """A pod that runs a shell script."""
    container = {"name": "c", "image": "py:1", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": name}},
        "data": data,
    }
