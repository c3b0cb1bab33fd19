"""The order of it all: train, register, start the cluster, apply an example, replay flights, move
an alias from version to version, tell the end.

It acts only as a user can (kubectl, `tidegate local`, MLflow's aliases, requests through the
gateway) and judges only by what is to be seen from outside. It always cleans up, unless asked to
leave the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.demo.commands import Kubectl, kubectl_path, local
from tidegate.demo.registry import begin, registered, registry_words, set_alias
from tidegate.demo.render import write_examples
from tidegate.demo.scene import Scene
from tidegate.demo.story import CHAPTERS, MISSING, failures, outcome_of, row_for, untold
from tidegate.demo.traffic import FIRST_FLIGHT, HOSTNAME, MODEL, Traffic
from tidegate.demo.trained import train
from tidegate.demo.view import story_table, view_for
from tidegate.demo.watch import AnswersFile, follow_objects
from tidegate.errors import Terminal, TidegateError
from tidegate.kube.client import Client
from tidegate.kube.transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from rich.console import Console

    from tidegate.demo.registry import MlflowServer
    from tidegate.demo.story import Chapter, Outcome, Row
    from tidegate.demo.trained import Trained
    from tidegate.demo.view import View

NAMESPACE = "default"
READY_LIMIT_S = 90.0
CHAPTER_LIMIT_S = 150.0
BASELINE_S = 12.0
"""How long v1 serves alone: a latency can be judged beside 1,000 requests of stable or more."""
SETTLE_S = 3.0
"""How long after a decision: the last answers of a version that was taken back come in."""
TOLD_LIMIT_S = 10.0
"""How long the registry may not know yet what became of the last version."""
SLOW_RATIO = 2.0
"""Slower than stable's median by this is slow: the margin of examples/03-rollout.yaml."""
STORY_FAILED = "StoryFailed"
EXAMPLE = "16-mlflow.yaml"
ALIAS = "challenger"
"""What the example's Model follows."""


@dataclass(frozen=True)
class Options:
    """What a user may choose. `home` is where clusters and files of the demo are kept."""

    home: Path
    keep: bool = False
    rate: float = 120.0
    name: str = "demo"
    first_flight: int = FIRST_FLIGHT

    @property
    def state(self) -> Path:
        """The cluster's folder."""
        return self.home / self.name

    @property
    def files(self) -> Path:
        """The demo's own files."""
        return self.home / f"{self.name}-files"


@dataclass
class Demo:
    """One run."""

    options: Options
    console: Console
    view: View
    scene: Scene = field(default_factory=Scene)
    revisions: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    slow_ms: dict[str, float] = field(default_factory=dict)
    trained: Trained | None = None
    registry: MlflowServer | None = None
    port: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        self.answers = AnswersFile(self.options.files / "answers.jsonl")

    @property
    def kubectl(self) -> Kubectl:
        """kubectl against this run's cluster."""
        return Kubectl(kubectl_path(), self.options.state / "kubeconfig")

    def example(self, name: str) -> Path:
        """A rendered example."""
        return self.options.files / name

    def prepare(self) -> None:
        """Train, write the examples with this machine's places, and start an empty cluster."""
        self.trained = trained = train(self.options.home / "trained", say=self.view.note)
        for name, version in trained.versions.items():
            quality = "fails on some" if version.auc is None else f"AUC {version.auc:.3f}"
            self.view.note(f"{name}: {version.about}; {quality}; {version.milliseconds} ms a row")
        local("down", "--delete", "--name", self.options.name, quiet=True)
        shutil.rmtree(self.options.files, ignore_errors=True)
        self.options.files.mkdir(parents=True)
        # Registering, and a start of MLflow, take as long as the cluster does: all at once.
        with ThreadPoolExecutor(max_workers=1) as pool:
            files = str(self.options.files)
            up = pool.submit(local, "up", "--name", self.options.name, "--file-root", files)
            kept = registered(self.options.home / "registry", trained.folder, say=self.view.note)
            shutil.copytree(kept, self.options.files / "mlflow")
            self.registry = registry = begin(self.options.files / "mlflow")
            self.port = write_examples(trained, self.options.files, registry=registry.url)
            up.result()
        registry.wait()
        self.view.note(f"MLflow answers at {registry.url}")
        self.view.note(f"examples, as they are applied: {self.options.files}")

    @property
    def replay_folder(self) -> Path:
        """Where the later flights are."""
        if self.trained is None:
            raise Terminal(STORY_FAILED, "nothing was trained yet")
        return self.trained.folder

    async def apply(self, name: str) -> None:
        """`kubectl apply -f` of one example."""
        self.view.note(f"kubectl apply -f {name}")
        await self.kubectl.run("apply", "-f", str(self.example(name)))

    async def point(self, chapter: Chapter) -> None:
        """Move the alias to a version, as whoever trained it would."""
        if self.registry is None:
            raise Terminal(STORY_FAILED, "there is no registry yet")
        self.view.note(f"MLflow: alias {ALIAS} of {MODEL} → version {chapter.registered}")
        await asyncio.to_thread(
            set_alias, self.registry.url, MODEL, alias=ALIAS, version=chapter.registered
        )

    async def serve_first(self) -> None:
        """The gateway and the first version, until the Model is Ready."""
        await self.point(CHAPTERS[0])
        await self.apply("01-gateway.yaml")
        await self.apply(EXAMPLE)
        limit = f"--timeout={READY_LIMIT_S:.0f}s"
        await self.kubectl.run(
            "wait", f"models.tidegate.dev/{MODEL}", "--for=condition=Ready", limit,
            limit_s=READY_LIMIT_S + 10,
        )  # fmt: skip
        await self.note_revision(CHAPTERS[0])

    async def note_revision(self, chapter: Chapter) -> str:
        """Wait until the operator has made this version's revision, and remember its name."""
        known = set(self.revisions.values())

        def made() -> str | None:
            return self.scene.latest if self.scene.latest not in known else None

        revision = await until(
            made, limit_s=READY_LIMIT_S, what=f"a revision for {chapter.version}"
        )
        self.revisions[chapter.version] = revision
        self.scene.versions[revision] = chapter.version
        return revision

    async def tell(self, chapter: Chapter) -> None:
        """Bring one version, and wait for what becomes of it."""
        median = self.scene.ledger.tally(self.scene.stable or "").quantile(0.5)
        self.slow_ms[chapter.version] = SLOW_RATIO * (median or 0.0)
        self.view.note(f"— {chapter.version}: {chapter.about}; it has to be {chapter.expected}")
        await self.point(chapter)
        revision = await self.note_revision(chapter)
        came = await until(
            lambda: outcome_of(self.scene, revision),
            limit_s=CHAPTER_LIMIT_S,
            what=f"{chapter.version} to be {chapter.expected}",
        )
        self.outcomes[chapter.version] = came
        self.view.note(f"— {chapter.version} was {came}")
        await asyncio.sleep(SETTLE_S)

    async def replay(self) -> None:
        """The story, under traffic."""
        traffic = Traffic(
            port=self.port,
            rate=self.options.rate,
            replay=self.replay_folder,
            out=self.answers.path,
            first_flight=self.options.first_flight,
        )
        async with traffic.flowing():
            self.view.note(
                f"replaying flights of July to October at {self.options.rate:.0f} a second"
            )
            await asyncio.sleep(BASELINE_S)
            await until(
                lambda: self.scene.phase == "Healthy" or None,
                limit_s=READY_LIMIT_S,
                what="the Rollout to be Healthy",
            )
            for chapter in CHAPTERS[1:]:
                await self.tell(chapter)
        self.skipped = traffic.skipped

    async def play(self) -> None:
        """Everything that needs the cluster, with the scene kept current and shown."""
        client = Client(HttpTransport.from_kubeconfig(self.options.state / "kubeconfig"))
        async with closing(client), asyncio.TaskGroup() as group:
            background = [
                group.create_task(
                    follow_objects(client, self.scene, namespace=NAMESPACE, name=MODEL)
                ),
                group.create_task(self.answers.follow(self.scene)),
                group.create_task(self.view.run(self.scene)),
            ]
            try:
                await self.serve_first()
                await self.replay()
            finally:
                for task in background:
                    task.cancel()

    def rows(self) -> list[Row]:
        """The table's lines, from everything that was seen."""
        self.answers.into(self.scene)
        return [
            row_for(
                chapter,
                self.scene,
                self.revisions.get(chapter.version),
                came=self.outcomes.get(chapter.version),
                slow_ms=self.slow_ms.get(chapter.version),
            )
            for chapter in CHAPTERS
        ]

    def told(self) -> tuple[list[str], list[str]]:
        """What the registry says of each version in the end, and what it should have been told.

        The operator tells it after the fact, so it is asked until it knows, for a while.
        """
        if self.registry is None or len(self.outcomes) < len(CHAPTERS) - 1:
            return [MISSING] * len(CHAPTERS), []
        versions = [chapter.registered for chapter in CHAPTERS]
        deadline = time.monotonic() + TOLD_LIMIT_S
        while True:
            try:
                said = registry_words(self.registry.url, MODEL, versions)
            except OSError as error:
                return [MISSING] * len(CHAPTERS), [f"the registry does not answer: {error}"]
            wrong = untold(said, self.outcomes)
            if not wrong or time.monotonic() > deadline:
                return said, wrong
            time.sleep(0.5)


async def until[T](found: Callable[[], T | None], *, limit_s: float, what: str) -> T:
    """What `found` gives as soon as it gives something. :raises Terminal: after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        result = found()
        if result is not None:
            return result
        await asyncio.sleep(0.1)
    raise Terminal(STORY_FAILED, f"waited {limit_s:.0f} s for {what}")


@contextlib.asynccontextmanager
async def closing(client: Client) -> AsyncGenerator[None]:
    """Close the client at the end of the block."""
    try:
        yield
    finally:
        await client.close()


def run_demo(options: Options, console: Console) -> int:
    """The whole demo. 0 when the whole story came true, else 1; the cluster is gone afterwards."""
    signal.signal(signal.SIGTERM, _end)
    demo = Demo(options, console, view_for(console))
    began = time.monotonic()
    wrong: list[str] = []
    rows: list[Row] = []
    registry: list[str] = []
    try:
        demo.prepare()
        asyncio.run(demo.play())
    except* TidegateError as group:
        wrong = [str(error) for error in leaves(group)]
    except* (OSError, subprocess.SubprocessError) as group:
        wrong = [f"{type(error).__name__}: {error}" for error in leaves(group)]
    finally:
        # Where not even a first version came up, what went wrong says it all.
        if demo.revisions or not wrong:
            rows = demo.rows()
            wrong += failures(rows, demo.scene, skipped=demo.skipped)
            registry, untold = demo.told()
            wrong += untold
        clean_up(demo, keep_evidence=bool(wrong))
    if rows:
        console.print(story_table(rows, registry))
    for line in wrong:
        console.print(f"WRONG: {line}", style="bold red", markup=False, highlight=False)
    spent = time.monotonic() - began
    verdict = "the demo failed" if wrong else "all of it happened as it has to"
    total = demo.scene.ledger.total
    console.print(f"{total} requests in {spent:.0f} s: {verdict}.", highlight=False)
    if options.keep:
        console.print(kept_text(demo), markup=False, highlight=False, soft_wrap=True)
    return 1 if wrong else 0


def _end(number: int, frame: object) -> None:
    """SIGTERM ends the demo as ^C does: everything is cleaned up."""
    raise SystemExit(128 + number)


def clean_up(demo: Demo, *, keep_evidence: bool) -> None:
    """Take the cluster down, unless it is to stay; what went wrong is written down first."""
    options = demo.options
    if keep_evidence and demo.kubectl.kubeconfig.exists():
        demo.view.note(f"what the cluster said: {write_evidence(demo)}")
    if options.keep:
        return
    with contextlib.suppress(TidegateError, subprocess.SubprocessError):
        local("down", "--delete", "--name", options.name, quiet=True)
    if demo.registry is not None:
        demo.registry.end()


EVIDENCE = {
    "objects.yaml": ("get", "models,rollouts,httproutes,deployments,pods", "-A", "-o", "yaml"),
    "events.txt": ("get", "events.events.k8s.io", "-A"),
    "operator.log": ("-n", "tidegate-system", "logs", "deployment/tidegate-operator"),
}


def write_evidence(demo: Demo) -> Path:
    """Everything that tells why it went wrong, in one folder that stays."""
    folder = demo.options.files / "failed"
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in EVIDENCE.items():
        try:
            text = asyncio.run(demo.kubectl.run(*arguments))
        except TidegateError as error:
            text = str(error)
        (folder / name).write_text(text)
    return folder


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors inside a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def kept_text(demo: Demo) -> str:
    """What to try on a cluster that is left up."""
    registry = demo.registry
    url, process = (registry.url, registry.process.pid) if registry else ("", "")
    return f"""
The cluster is still up. Worth trying:

  export KUBECONFIG={demo.options.state / "kubeconfig"}
  kubectl get models,rollouts.tidegate.dev,pods
  kubectl describe rollouts.tidegate.dev {MODEL}
  kubectl get events.events.k8s.io --sort-by=.metadata.creationTimestamp
  kubectl explain rollouts.tidegate.dev.spec.analysis
  curl -s {url}/api/2.0/mlflow/registered-models/alias -H content-type:application/json \\
    -d '{{"name": "{MODEL}", "alias": "{ALIAS}", "version": "2"}}'
  curl -s -H 'Host: {HOSTNAME}' http://127.0.0.1:{demo.port}/v2/models/{MODEL}
  {sys.argv[0]} local logs --name {demo.options.name}

The registry's own pages are at {url}.
When you are done: {sys.argv[0]} local down --delete --name {demo.options.name}; kill {process}
"""
