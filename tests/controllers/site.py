"""A whole operator without pods: the real controllers against an API server in memory."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.app import with_sources
from tidegate.artifacts.base import Resolved
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.tree import folder_digest
from tidegate.artifacts.uri import file_path
from tidegate.artifacts.web import authorization
from tidegate.domain.rollout.facts import RouteFacts
from tidegate.errors import NotFound, Terminal, Unreachable
from tidegate.kube.resources import DEPLOYMENTS, MODELS, ROLLOUTS, resource
from tidegate.settings import Settings
from tidegate.testing.harness import Harness
from tidegate.testing.inference import FakeInference
from tidegate.testing.metrics import FakeMetrics
from tidegate.testing.registrar import FakeRegistrar
from tidegate.traffic.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.api.origin import Origin
    from tidegate.artifacts.registry import Sources
    from tidegate.testing.kube import FakeKube
    from tidegate.testing.world import World

NAMESPACE = "demo"
NAME = "flight-delay"
SETTINGS = Settings(scrape_interval=timedelta(seconds=1), cache_claim="cache")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Shelf:
    """Artifacts by URI, as a source would find them; a folder on the disk is read there."""

    content: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    """What a registry knows of an artifact, by URI."""
    asked: int = 0
    credentials: Credentials = NO_CREDENTIALS
    """What it was asked with last."""
    previous: Resolved | None = None
    """What it was told that it had found last."""
    immutable: bool = False
    """What it says of the locations that it finds."""
    place: Callable[[str], str] = str
    """Where what a URI names is fetched from."""
    silent: bool = False
    """Whether nothing answers."""
    real: Sources | None = None
    """What is asked instead, where it is there, for all but https://models/."""

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
        format: str = "",
    ) -> Resolved:
        if self.real is not None and not uri.startswith("https://models/"):
            return await self.real.resolve(
                uri, format=format, sha256=sha256, previous=previous, credentials=credentials
            )
        if self.silent:
            raise Unreachable(f"{uri} did not answer within 15 s: see that it is up")
        self.asked += 1
        self.credentials, self.previous = credentials, previous
        authorization(credentials)  # what it needs of a Secret is what http needs
        folder = file_path(uri) if uri.startswith("file:") and uri.endswith("/") else None
        found = folder_digest(folder) if folder else sha(self.content.get(uri, uri))
        if uri not in self.content and uri.endswith("missing"):
            raise Terminal("ArtifactNotFound", f"{uri} does not exist; put it there")
        if sha256 is not None and sha256 != found:
            raise Terminal("DigestMismatch", f"{uri} has sha256 {found}")
        return Resolved(
            version=found[:8],
            location=self.place(uri),
            sha256=found,
            size=1,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            origin=self.origins.get(uri),
            immutable=self.immutable,
            kind="tree" if folder else "file",
        )


def model(uri: str = "https://models/v1", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": MODELS.api_version,
        "kind": "Model",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "delivery": "Rollout",
            "artifact": {"uri": uri, "format": "sklearn-skops", "sha256": sha(uri)},
            "runtime": {"v2": {}},
            "scaling": {"minReplicas": 2, "maxReplicas": 2},
            "traffic": {
                "gatewayAPI": {
                    "parentRefs": [{"name": "public", "namespace": "infra"}],
                    "hostnames": ["flights.example"],
                }
            },
            **spec,
        },
    }


def rollout(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": ROLLOUTS.api_version,
        "kind": "Rollout",
        "metadata": {"name": "flights", "namespace": NAMESPACE},
        "spec": {
            "modelRef": {"name": NAME},
            "strategy": {
                "canary": {
                    "steps": [
                        {"weight": 5, "duration": "20s"},
                        {"weight": 25, "duration": "20s"},
                        {"weight": 50, "duration": "20s"},
                    ]
                }
            },
            "analysis": {
                "interval": "5s",
                "warmup": "10s",
                "minRequests": 500,
                "metrics": [
                    {
                        "name": "errors",
                        "type": "ErrorRate",
                        "margin": {"ratio": 1.5, "absolute": 0.005},
                    },
                    {
                        "name": "latency",
                        "type": "Latency",
                        "quantiles": [0.5, 0.95],
                        "margin": {"ratio": 1.5},
                    },
                    {"name": "slo", "type": "ErrorRate", "max": 0.05},
                ],
            },
            "holds": {"deadline": "10m"},
            "deadline": "2h",
            "rollbackWindow": {"duration": "1h"},
            **spec,
        },
    }


class Site:
    """An operator with its cluster, its traffic and its clock, for one test."""

    def __init__(
        self,
        kube: FakeKube,
        metrics: FakeMetrics | None = None,
        *,
        world: World | None = None,
        settings: Settings = SETTINGS,
    ) -> None:
        self.kube = kube
        self.shelf = Shelf()
        self.metrics = metrics or FakeMetrics(kube.clock.now, seed=7)
        self.inference = FakeInference()
        self.registrar = FakeRegistrar()
        build = with_sources(
            resolver=self.shelf,
            metrics=self.metrics,
            inference=self.inference,
            registrar=self.registrar,
        )
        self.harness = Harness(kube, build, settings=settings, world=world)
        self.rate = 200.0
        self.weights_seen: list[dict[str, int]] = []

    def model_of(self, uri: str) -> dict[str, Any]:
        """The Model with that artifact, as a user applies it."""
        return model(uri)

    async def model(self) -> dict[str, Any]:
        return await self.kube.user.get(MODELS, NAME, namespace=NAMESPACE)

    async def rollout(self) -> dict[str, Any]:
        return await self.kube.user.get(ROLLOUTS, "flights", namespace=NAMESPACE)

    async def weights(self) -> dict[str, int]:
        """The live route's weights above 0; empty without a route."""
        return {name: weight for name, weight in (await self.route()).items() if weight > 0}

    async def route(self) -> dict[str, int]:
        """All that the live route names, with weights; empty without a route."""
        return dict((await self.routed()).weights or {})

    async def routed(self) -> RouteFacts:
        """The live route, by whichever provider."""
        for provider in PROVIDERS.values():
            with suppress(NotFound):  # a kind that this cluster does not serve
                kind = resource(*provider.kinds[0])
                live = await self.kube.user.get(kind, NAME, namespace=NAMESPACE)
                found: RouteFacts = provider(None).observe(live)
                return found
        return RouteFacts()

    async def deployments(self) -> dict[str, int]:
        found = (await self.kube.user.list(DEPLOYMENTS, namespace=NAMESPACE)).items
        return {self.revision_of(d): d["spec"]["replicas"] for d in found}

    async def ready(self) -> dict[str, int]:
        """The ready pods of each revision."""
        found = (await self.kube.user.list(DEPLOYMENTS, namespace=NAMESPACE)).items
        return {self.revision_of(d): d.get("status", {}).get("readyReplicas", 0) for d in found}

    def revision_of(self, deployment: dict[str, Any]) -> str:
        """The revision whose pods a Deployment runs."""
        return str(deployment["metadata"]["name"])

    def cluster(self, revision: str) -> str:
        return f"{NAMESPACE}/{NAME}/{revision}"

    async def flow(self) -> None:
        """Let traffic follow the live route."""
        routed = await self.routed()
        weights = dict(routed.weights or {})
        if weights and (not self.weights_seen or self.weights_seen[-1] != weights):
            assert sum(weights.values()) == 100
            self.weights_seen.append(weights)
        if weights:
            split = {self.cluster(name): float(w) for name, w in weights.items()}
            self.metrics.split(self.rate, split)
        mirror = routed.detours.mirror
        if mirror is not None:
            copies = self.rate * mirror.percent / 100
            self.metrics.route({f"{self.cluster(mirror.revision)}/shadow": copies})

    async def pass_time(self, **duration: float) -> None:
        """Let time pass in seconds, with traffic along the live route."""
        for _ in range(int(timedelta(**duration).total_seconds())):
            await self.flow()
            await self.harness.advance(timedelta(seconds=1))
        await self.flow()

    async def until(self, phase: str, *, minutes: float = 20) -> dict[str, Any]:
        """Let time pass until the Rollout is in a phase."""
        for _ in range(int(minutes * 60)):
            found = await self.rollout()
            if found.get("status", {}).get("phase") == phase:
                return found
            await self.pass_time(seconds=1)
        raise AssertionError(f"never {phase}: {(await self.rollout()).get('status')}")

    async def start(self, **rollout_spec: Any) -> str:
        """Model and Rollout with v1 stable and ten seconds of traffic; returns v1's revision."""
        await self.kube.put(self.model_of("https://models/v1"))
        await self.kube.put(rollout(**rollout_spec))
        await self.harness.settle()
        await self.until("Healthy")
        await self.pass_time(seconds=15)
        return str((await self.model())["status"]["delivery"]["stable"])

    async def command(self, verb: str, *, number: int = 1, **more: Any) -> None:
        """Send a verb as a user does, by annotation."""
        text = json.dumps({"id": f"{verb}-{number}", "verb": verb, **more})
        await self.kube.user.patch(
            ROLLOUTS,
            "flights",
            {"metadata": {"annotations": {"tidegate.dev/command": text}}},
            namespace=NAMESPACE,
            manager="user",
        )
        await self.harness.settle()

    async def ask_for(self, uri: str) -> str:
        """Set the Model to another artifact; returns its revision."""
        await self.kube.put(self.model_of(uri))
        await self.harness.settle()
        return str((await self.model())["status"]["latestRevision"])


def condition(obj: dict[str, Any], type_: str) -> dict[str, Any]:
    """The condition of a type; empty when it is not said."""
    found = [c for c in obj.get("status", {}).get("conditions", ()) if c["type"] == type_]
    return found[0] if found else {}
