"""A running cluster as the tests use it: what a user does with kubectl, and what can be looked at.

The cluster runs in a process of its own, with the operator in a pod, as `tidegate local up` leaves
it. Every wait has a deadline and says at its end what it saw last.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import psutil
import pytest
from tests.e2e.load import Load
from tests.e2e.objects import GATEWAY_NAMESPACE, condition, gateway, hostname, namespace
from tests.e2e.prometheus import PrometheusProxy, serving

from tidegate.errors import NotFound, TidegateError
from tidegate.kube.client import Client
from tidegate.kube.resources import GATEWAYS, MODELS, ROLLOUTS
from tidegate.kube.transport import HttpTransport
from tidegate.local import node
from tidegate.local.cluster import daemon, install
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT
from tidegate.local.cluster.kubectl import kubectl_binary, run_kubectl
from tidegate.local.cluster.state import StateDir, make_plan, read_report
from tidegate.testing.gateway import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.e2e.versions import Artifact

    from tidegate.kube.resources import Resource
    from tidegate.local.cluster.state import Plan

type Obj = dict[str, Any]

E2E = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="session"),
]
"""Marks of every test that plays on the stage."""

NAME = "e2e"
START_S = 60.0
POLL_S = 0.2
WITHIN_S = 90.0


@dataclass
class Stage:
    """One cluster. `selected` are the names of the tests that will run on it."""

    state: StateDir
    plan: Plan
    client: Client
    http: aiohttp.ClientSession
    gateway_port: int
    artifacts: dict[str, Artifact]
    prometheus: PrometheusProxy
    selected: frozenset[str] = frozenset()
    stories: list[asyncio.Task[None]] = field(default_factory=list)

    # -- what a user does ------------------------------------------------------------------------

    async def kubectl(self, *arguments: str, stdin: bytes = b"") -> str:
        """What kubectl printed. Raises Terminal with its words when it fails."""
        binary = kubectl_binary(beside=CHECKOUT / ".tidegate" / "bin")
        where = (
            f"--kubeconfig={self.state.kubeconfig}",
            f"--cache-dir={self.state.path / 'kubectl-cache'}",
        )
        return (await run_kubectl(binary, *where, *arguments, stdin=stdin)).decode()

    async def apply(self, *objects: Obj) -> str:
        """`kubectl apply` of these objects."""
        documents = b"".join(b"---\n" + orjson.dumps(each) + b"\n" for each in objects)
        return await self.kubectl("apply", "-f", "-", stdin=documents)

    async def serve(self, where: str, *objects: Obj) -> str:
        """Apply a Model and what belongs to it in a new namespace; its revision, once it is
        Ready."""
        await self.apply(*namespace(where), *objects)
        await self.kubectl(
            "wait", "models.tidegate.dev/weather", "-n", where,
            "--for=condition=Ready", "--timeout=50s",
        )  # fmt: skip
        found = await self.model(where)
        return str(found["status"]["delivery"]["stable"])

    def load(self, where: str, *, rate: float = 100.0, missing: int | None = None) -> Load:
        """A load generator for the Model of a namespace."""
        return Load(self.gateway_port, hostname(where), rate, missing=missing)

    # -- what can be looked at -------------------------------------------------------------------

    async def model(self, where: str, name: str = "weather") -> Obj:
        """The Model."""
        return await self.client.get(MODELS, name, namespace=where)

    async def rollout(self, where: str) -> Obj:
        """The Rollout."""
        return await self.client.get(ROLLOUTS, "weather", namespace=where)

    async def until(
        self,
        holds: Callable[[Obj], bool],
        res: Resource,
        where: str,
        *,
        name: str = "weather",
        within: float = WITHIN_S,
    ) -> Obj:
        """The object once it is so. A deadline that passes fails with what it was last."""
        seen: Obj = {}

        async def look() -> bool:
            nonlocal seen
            try:
                seen = await self.client.get(res, name, namespace=where)
            except NotFound:
                seen = {}
            return bool(seen) and holds(seen)

        await eventually(look, within=within, saw=lambda: shown(seen.get("status", {})))
        return seen

    async def until_ready_is(self, reason: str, where: str, *, name: str = "weather") -> Obj:
        """The Model's condition Ready once it has this reason."""
        found = await self.until(
            lambda model: condition(model, "Ready").get("reason") == reason,
            *(MODELS, where),
            name=name,
        )
        return condition(found, "Ready")

    async def until_phase(self, phase: str, where: str, *, within: float = WITHIN_S) -> Obj:
        """The Rollout once it is in this phase."""

        def holds(found: Obj) -> bool:
            return bool(found.get("status", {}).get("phase") == phase)

        return await self.until(holds, ROLLOUTS, where, within=within)

    async def until_tried(self, where: str, load: Load, *, stable: str, requests: int = 20) -> str:
        """The candidate's revision, once it has answered some requests."""

        def begun(found: Obj) -> bool:
            attempt = found.get("status", {}).get("attempt", {})
            return bool(attempt) and attempt["revision"] != stable

        found = await self.until(begun, ROLLOUTS, where)
        revision = str(found["status"]["attempt"]["revision"])

        async def asked() -> bool:
            return load.served(revision) >= requests

        await eventually(asked, saw=lambda: f"{load.story()}; {shown(found['status'])}")
        return revision

    async def envoy_weights(self, where: str, name: str = "weather") -> dict[str, int]:
        """The weight of each revision that gets any, as Envoy itself has it."""
        found: dict[str, int] = {}
        for each in _entries(await self._envoy_routes(), "weighted_clusters", "clusters"):
            # A cluster is named NAMESPACE/MODEL/REVISION.
            *model, revision = each["name"].split("/")
            if model == [where, name] and each["weight"]:
                found[revision] = int(each["weight"])
        return found

    async def envoy_mirrors(self, where: str, name: str = "weather") -> set[str]:
        """The revisions that get copies of requests, as Envoy itself has it."""
        found = set()
        for each in _entries(await self._envoy_routes(), "request_mirror_policies"):
            # A cluster of copies is named NAMESPACE/MODEL/REVISION/shadow.
            *model, revision, _ = each["cluster"].split("/")
            if model == [where, name]:
                found.add(revision)
        return found

    async def _envoy_routes(self) -> Any:
        url = f"http://127.0.0.1:{self.plan.envoy_port}/config_dump"
        async with self.http.get(url, params={"resource": "dynamic_route_configs"}) as answer:
            return orjson.loads(await answer.read())

    async def until_envoy_gives_all_to(self, revision: str, where: str) -> None:
        """Wait until Envoy's own configuration sends everything to one revision."""
        seen: dict[str, int] = {}

        async def look() -> bool:
            nonlocal seen
            seen = await self.envoy_weights(where)
            return set(seen) == {revision}

        await eventually(look, saw=lambda: f"Envoy's weights {seen}")

    def supervisor(self) -> psutil.Process:
        """The process that holds the cluster up."""
        return psutil.Process(int(self.state.lock.read_text()))

    def process(self, *words: str) -> psutil.Process:
        """The one process of the cluster whose command line has these words."""
        found = self.processes(*words)
        assert len(found) == 1, f"{words}: {[child.cmdline() for child in found]}"
        return found[0]

    def processes(self, *words: str) -> list[psutil.Process]:
        """The processes of the cluster whose command line has these words."""
        found = []
        for child in self.supervisor().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if set(words) <= {Path(word).name for word in child.cmdline()}:
                    found.append(child)
        return found


def _entries(document: Any, *path: str) -> list[Obj]:
    """Every entry of the lists at a path, wherever it begins in a document."""
    if isinstance(document, list):
        return [each for part in document for each in _entries(part, *path)]
    if not isinstance(document, dict):
        return []
    here: Any = document
    for key in path:
        here = here.get(key, {})
    return [*here, *(each for part in document.values() for each in _entries(part, *path))]


def shown(document: Obj) -> str:
    """A document as text, for people."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


async def eventually(
    holds: Callable[[], Awaitable[bool]],
    *,
    within: float = WITHIN_S,
    saw: Callable[[], str] = lambda: "",
) -> None:
    """Wait until it is so. Raises AssertionError with what was seen after `within` seconds."""
    end = asyncio.get_running_loop().time() + within
    while not await holds():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"it did not become so within {within:g} s; {saw()}")
        await asyncio.sleep(POLL_S)


class Together:
    """Tests that are played at the same time, a few at once: each waits mostly for the others'.

    The first one that is run starts all that are selected; each then waits for its own end.
    """

    def __init__(self, *, at_once: int) -> None:
        self._at_once = at_once
        self._stories: dict[str, Callable[[Stage], Awaitable[None]]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def __call__(
        self, story: Callable[[Stage], Awaitable[None]]
    ) -> Callable[[Stage], Awaitable[None]]:
        """Make a test out of a story."""
        self._stories[story.__name__] = story

        @functools.wraps(story)
        async def test(stage: Stage) -> None:
            self._start(stage)
            await self._running[story.__name__]

        return test

    def _start(self, stage: Stage) -> None:
        if self._running:
            return
        turns = asyncio.Semaphore(self._at_once)

        async def play(story: Callable[[Stage], Awaitable[None]]) -> None:
            async with turns:
                await story(stage)

        for name, story in self._stories.items():
            if name in stage.selected:
                self._running[name] = asyncio.create_task(play(story), name=name)
        stage.stories += self._running.values()


# -- putting it up ---------------------------------------------------------------------------------


@asynccontextmanager
async def running(folder: Path, artifacts: dict[str, Artifact]) -> AsyncIterator[Stage]:
    """A cluster in a folder, with the operator and a gateway. Everything is gone afterwards."""
    state = StateDir(folder / "cluster")
    state.create()
    plan = make_plan(state, name=NAME)
    process = _start(state)  # in this thread: the kernel ties the child to the thread's life
    try:
        await _started(state, process)
        client = Client(HttpTransport.from_kubeconfig(state.kubeconfig))
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            serving(plan.prometheus_url, http) as prometheus,
        ):
            stage = Stage(state, plan, client, http, free_port(), artifacts, prometheus)
            try:
                root = next(iter(artifacts.values())).path.parent
                settings = install.Settings(prometheus_url=prometheus.url, file_root=root)
                await install.install_operator(client, settings=settings)
                await stage.apply(*namespace(GATEWAY_NAMESPACE), gateway(stage.gateway_port))
                await stage.until(
                    lambda found: condition(found, "Programmed").get("status") == "True",
                    *(GATEWAYS, GATEWAY_NAMESPACE),
                    name="public",
                )
                yield stage
            finally:
                for story in stage.stories:
                    story.cancel()
                await asyncio.gather(*stage.stories, return_exceptions=True)
                await client.close()
    finally:
        await asyncio.to_thread(daemon.stop, state)
        await asyncio.to_thread(process.wait, timeout=10)
        shutil.rmtree(state.path)


def _start(state: StateDir) -> subprocess.Popen[bytes]:
    """The supervisor, as a process that ends with this one, however this one ends."""
    launch = Path(node.__path__[0]) / "launch.py"
    with (state.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(launch), str(os.getpid()), "/", "{}"),
                *(sys.executable, "-m", "tidegate.local.cluster.main"),
                *("--state", str(state.path), "--name", NAME),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        )


async def _started(state: StateDir, process: subprocess.Popen[bytes]) -> None:
    async def ready() -> bool:
        if process.poll() is not None:
            raise TidegateError((state.logs / "supervisor.log").read_text()[-2000:])
        return bool(read_report(state).get("ready"))

    await eventually(ready, within=START_S, saw=lambda: shown(read_report(state)))
