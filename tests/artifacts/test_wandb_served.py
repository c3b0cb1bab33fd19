"""A Model that follows an alias of Weights & Biases, through the whole operator."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.app import with_sources
from tidegate.artifacts.registry import default_sources
from tidegate.kube.resources import CONTROLLERREVISIONS, DEPLOYMENTS, MODELS
from tidegate.settings import Settings
from tidegate.testing.harness import Harness
from tidegate.testing.kube import FakeKube
from tidegate.testing.wandb import FakeWandb, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object

KEY = "s3cret-key"
SPEC = {
    "artifact": {
        "uri": "wandb://acme/fraud/model:prod",
        "format": "onnx",
        "pollInterval": "30s",
        "credentialsRef": {"name": "wandb"},
    },
    "runtime": {"v2": {}},
    "gates": [{"name": "auc", "metric": "auc", "min": 0.7}],
    "lineage": {"require": ["run", "gitCommit", "dataset", "author"]},
}


@dataclass
class Followed:
    """A Model in a cluster without pods, and the server that it follows."""

    kube: FakeKube
    harness: Harness
    server: FakeWandb

    async def put_key(self, key: str) -> None:
        """Make or renew the Secret."""
        await self.kube.put(
            {
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "wandb", "namespace": "ml"},
                "stringData": {"WANDB_API_KEY": key, "WANDB_BASE_URL": self.server.url},
            }
        )  # fmt: skip

    def log(self, content: bytes, *, auc: float, tracked: bool = True) -> None:
        """Log a version and move the alias to it."""
        data = self.server.memberships[0].version
        run = Run(
            f"run{len(self.server.memberships)}", commit="c" * 40, summary={"auc": auc},
            inputs=[data] if tracked else [],
        )  # fmt: skip
        self.server.log({"model.onnx": content}, "prod", run=run)

    async def polled(self) -> Object:
        """The Model once the next poll was answered."""
        await self.harness.advance(timedelta(seconds=40))
        return await self.model()

    async def model(self) -> Object:
        return await self.kube.user.get(MODELS, "fraud", namespace="ml")


@asynccontextmanager
async def followed() -> AsyncIterator[Followed]:
    async with FakeWandb.start() as server, FakeKube.start(namespace="ml") as kube:
        server.key = KEY
        server.log({"payments.csv": b"1"}, name="payments", kind="dataset")
        sources = default_sources(file_root=None)
        build = with_sources(resolver=sources, metrics=None)
        harness = Harness(kube, build, settings=Settings(cache_claim="cache"))
        site = Followed(kube, harness, server)
        site.log(b"first", auc=0.8)
        await site.put_key(KEY)
        await kube.put(
            {
                "apiVersion": "tidegate.dev/v1alpha1", "kind": "Model",
                "metadata": {"name": "fraud", "namespace": "ml"}, "spec": SPEC,
            }
        )  # fmt: skip
        await harness.settle()
        try:
            yield site
        finally:
            await harness.close()
            await sources.close()


def condition(found: Object, type_: str) -> tuple[str, str, str]:
    one = next(each for each in found["status"]["conditions"] if each["type"] == type_)
    return one["status"], one["reason"], one["message"]


async def test_moving_the_alias_delivers_a_version_that_its_metrics_and_lineage_allow() -> None:
    async with followed() as site:
        found = await site.model()
        assert condition(found, "Ready")[:2] == ("True", "Serving")
        assert found["status"]["lineage"]["run"] == "acme/fraud/run1"
        stable = found["status"]["delivery"]["stable"]
        (revision,) = (await site.kube.user.list(CONTROLLERREVISIONS, namespace="ml")).items
        assert revision["data"]["origin"]["gitCommit"] == "c" * 40
        (deployed,) = (await site.kube.user.list(DEPLOYMENTS, namespace="ml")).items
        (fetch,) = deployed["spec"]["template"]["spec"]["initContainers"]
        assert f"wandb+{site.server.url}/artifacts/acme/fraud/model/v0/" in str(fetch["args"])
        assert KEY not in str(deployed)

        site.log(b"worse", auc=0.6)
        found = await site.polled()
        assert found["status"]["delivery"]["stable"] == stable
        assert "auc is 0.6" in condition(found, "GatesPassed")[2]

        site.log(b"untracked", auc=0.9, tracked=False)
        found = await site.polled()
        assert found["status"]["delivery"]["stable"] == stable
        assert "dataset" in str(found["status"]["conditions"])

        site.log(b"better", auc=0.9)
        found = await site.polled()
        assert condition(found, "Ready")[:2] == ("True", "Serving")
        assert found["status"]["delivery"]["stable"] != stable
        assert found["status"]["resolved"]["version"].startswith("v3 (")


def broken(site: Followed, how: str) -> None:
    server = site.server
    if how == "down":
        server.status = 503
    elif how == "deleted":
        server.memberships[-1].version.state = "DELETED"
    elif how == "moved away":
        server.memberships[-1].aliases.clear()
    elif how == "expired":
        server.key = "another"
    elif how == "no longer W&B":
        server.status = 404
    elif how == "tampered":
        site.log(b"better", auc=0.9)
        server.memberships[-1].version.stored["model.onnx"] = b"worse."
    else:
        site.log(b"better", auc=0.9)
        server.memberships[-1].version.refs["x"] = "s3://bucket/x"


BROKEN = [
    ("down", "Unreachable", "answers 503"),
    ("deleted", "ArtifactNotFound", "was deleted in W&B"),
    ("moved away", "ArtifactNotFound", "no artifact acme/fraud/model:prod that this key may read"),
    ("expired", "ArtifactForbidden", "credentials of Secret 'wandb' are wrong, expired"),
    ("no longer W&B", "RegistryUnknown", "check that WANDB_BASE_URL"),
    ("tampered", "DigestMismatch", "its store holds something else"),
    ("referring", "FormatMismatch", "model.onnx, x, and onnx is one file"),
]


@pytest.mark.parametrize(("how", "reason", "says"), BROKEN)
async def test_what_is_wrong_is_told_and_what_serves_goes_on_serving(
    how: str, reason: str, says: str
) -> None:
    async with followed() as site:
        stable = (await site.model())["status"]["delivery"]["stable"]
        broken(site, how)
        found = await site.polled()
        status, found_reason, message = condition(found, "Resolved")
        assert (status, found_reason) == ("Unknown" if how == "down" else "False", reason)
        assert says in message
        assert KEY not in str(found)
        assert condition(found, "Available")[0] == "True"
        assert found["status"]["delivery"]["stable"] == stable


async def test_a_key_that_is_renewed_counts_at_once_and_an_operator_that_restarts_goes_on() -> None:
    async with followed() as site:
        before = await site.model()
        site.server.key = "renewed"
        assert condition(await site.polled(), "Resolved")[1] == "ArtifactForbidden"
        await site.put_key("renewed")
        assert condition(await site.polled(), "Resolved")[0] == "True"
        site.harness.restart()
        await site.harness.settle()
        after = await site.model()
        assert after["status"]["delivery"] == before["status"]["delivery"]
