"""Everything that can be wrong with what a Model asks for, made on the wire or on the disk."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import joblib
from sklearn.linear_model import LogisticRegression
from tests.controllers.answers import Answers, archive
from tests.controllers.named import direct, traffic
from tests.controllers.site import NAMESPACE, Site
from tests.controllers.test_trial import measured

from tidegate.artifacts.base import Limits
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.mlflow.rest import Rest
from tidegate.artifacts.registry import default_sources
from tidegate.artifacts.tree import folder_digest
from tidegate.kube.resources import DEPLOYMENTS
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch
from tidegate.serving.loading import load_model
from tidegate.serving.settings import Settings
from tidegate.testing.http import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

V1, V2 = "https://models/v1", "https://models/v2"
LIMITS = Limits(max_bytes=100_000, total_s=5.0)
DIGITS = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Stand:
    """A Model that serves, and the servers that it may be led to."""

    site: Site
    folder: Path
    answers: Answers = field(default_factory=Answers)
    url: str = ""

    async def ask(self, uri: str, **artifact: Any) -> None:
        """Ask for something else, without a pin."""
        document = direct(V2)
        del document["spec"]["artifact"]["sha256"]
        document["spec"]["artifact"] |= {"uri": uri, **artifact}
        await self.put(document)

    async def put(self, document: dict[str, Any]) -> None:
        await self.site.kube.put(document)
        await self.site.harness.settle()
        await self.site.pass_time(seconds=3)

    async def served(self) -> dict[str, Any]:
        """What serves, in all that a user could notice."""
        status = (await self.site.model())["status"]
        stable = status["delivery"]["stable"]
        deployment = await self.site.kube.user.get(DEPLOYMENTS, stable, namespace=NAMESPACE)
        return {
            "stable": stable,
            "traffic": await traffic(self.site),
            "pods": (deployment["metadata"]["uid"], deployment["metadata"]["generation"]),
            "ready": deployment["status"]["readyReplicas"],
        }


@asynccontextmanager
async def stand(site: Site, folder: Path) -> AsyncIterator[Stand]:
    await site.kube.put(direct(V1))
    await site.harness.settle()
    answers = Answers()
    async with answering(answers) as server:
        sources = default_sources(
            file_root=folder, mlflow_url=server.url, rest=Rest(answer_s=0.5), limits=LIMITS
        )
        site.shelf.real = sources
        try:
            yield Stand(site, folder, answers, server.url)
        finally:
            await sources.close()


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- what the operator finds out at the source -----------------------------------------------------


async def unknown_alias(at: Stand) -> None:
    await at.ask("models:/fraud@nobody")


async def missing_version(at: Stand) -> None:
    await at.ask("models:/fraud/7")


async def deleted_files_of_a_version(at: Stand) -> None:
    at.answers.register("3", b"model")
    del at.answers.files["runs/3/model.skops"]
    await at.ask("models:/fraud/3")


async def moved_address(at: Stand) -> None:
    await at.ask(f"{at.url}/moved.skops")


async def deleted_file(at: Stand) -> None:
    await at.ask((at.folder / "gone.skops").as_uri())


async def wrong_digest(at: Stand) -> None:
    (at.folder / "model.skops").write_bytes(b"another model")
    await at.ask((at.folder / "model.skops").as_uri(), sha256=DIGITS)


async def wrong_digest_of_a_version(at: Stand) -> None:
    at.answers.register("3", b"model", alias="challenger")
    await at.ask("models:/fraud@challenger", sha256=DIGITS)


async def truncated(at: Stand) -> None:
    at.answers.files["model.skops"] = b"x" * 50_000
    at.answers.broken_off = True
    await at.ask(f"{at.url}/model.skops")


async def leaving_archive(at: Stand) -> None:
    at.answers.packed = archive("../escaped", b"x")
    await at.ask(image(at), format="mlflow")


async def linking_archive(at: Stand) -> None:
    at.answers.packed = archive("model.skops", link="/etc/passwd")
    await at.ask(image(at), format="mlflow")


async def bomb(at: Stand) -> None:
    at.answers.packed = archive("model.skops", bytes(1_000_000))
    await at.ask(image(at), format="mlflow")


async def no_archive(at: Stand) -> None:
    at.answers.packed = archive("model.skops", b"x" * 5000)[:3000]
    await at.ask(image(at), format="mlflow")


async def too_large(at: Stand) -> None:
    at.answers.files["model.skops"] = bytes(LIMITS.max_bytes + 1)
    await at.ask(f"{at.url}/model.skops")


async def registry_down(at: Stand) -> None:
    at.answers.down = True
    await at.ask("models:/fraud@challenger")


async def registry_gone(at: Stand) -> None:
    await credentials(at, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    await at.ask("models:/fraud@challenger", credentialsRef={"name": "registry"})


async def registry_slow(at: Stand) -> None:
    at.answers.slow = True
    await at.ask("models:/fraud@challenger")


async def expired_credentials(at: Stand) -> None:
    at.answers.register("3", b"model", alias="challenger")
    at.answers.token = "renewed"
    await credentials(at, MLFLOW_TRACKING_TOKEN="s3cret-of-last-year")
    await at.ask("models:/fraud@challenger", credentialsRef={"name": "registry"})


async def contradicted_signature(at: Stand) -> None:
    origin = {"registry": "mlflow", "name": "fraud", "version": "3"}
    known = {
        "inputs": [{"name": "amount", "type": "FP64"}],
        "outputs": [{"name": "p", "type": "FP64"}],
    }
    at.site.shelf.origins[V2] = type(measured(0.5)).model_validate({**origin, "signature": known})
    declared = {
        "inputs": [{"name": "temp", "type": "FP64"}],
        "outputs": [{"name": "p", "type": "FP64"}],
    }
    await at.put(direct(V2, signature=declared))


async def missing_metric(at: Stand) -> None:
    at.site.shelf.origins[V2] = measured(0.9)
    await at.put(direct(V2, gates=[{"name": "recall", "metric": "recall", "min": 0.5}]))


def image(at: Stand) -> str:
    return f"oci://{at.url.removeprefix('http://')}/models/fraud:latest"


async def credentials(at: Stand, **values: str) -> None:
    hosts = ",".join(["127.0.0.1:9", at.url.removeprefix("http://")])
    metadata = {
        "name": "registry", "namespace": NAMESPACE, "annotations": {"tidegate.dev/hosts": hosts},
    }  # fmt: skip
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
    await at.site.kube.put(secret)


# -- what a pod finds out -------------------------------------------------------------------


def fetched(at: Stand, source: str, **wanted: Any) -> Callable[[], Any]:
    """What the init container of a pod does."""
    given: dict[str, Any] = {"sha256": DIGITS, "cache": at.folder / "cache", **wanted}
    return lambda: fetch(Wanted(source=source, deadline=time.monotonic() + 0.4, **given))


def loaded(artifact: Path, format: str, **given: Any) -> Callable[[], Any]:
    """What the server of a pod does."""
    digest = folder_digest(artifact) if artifact.is_dir() else sha256_of(artifact)
    return lambda: load_model(
        Settings(
            model="m", revision="m-1", artifact=artifact, sha256=digest, format=format, **given
        )
    )


def overwritten(at: Stand) -> Callable[[], Any]:
    at.answers.files["model.skops"] = b"another model"
    return fetched(at, f"{at.url}/model.skops")


def deleted(at: Stand) -> Callable[[], Any]:
    return fetched(at, f"{at.url}/model.skops")


def broken_off(at: Stand) -> Callable[[], Any]:
    at.answers.files["model.skops"] = b"x" * 50_000
    at.answers.broken_off = True
    return fetched(at, f"{at.url}/model.skops")


def refused_to_pods(at: Stand) -> Callable[[], Any]:
    at.answers.token = "renewed"
    old = Credentials("reader", {"token": "s3cret-of-last-year"})
    return fetched(at, f"{at.url}/model.skops", credentials=old)


def overwritten_archive(at: Stand) -> Callable[[], Any]:
    at.answers.packed = archive("../escaped", b"x")
    return fetched(at, image(at), kind="tree")


def lacking_module(at: Stand) -> Callable[[], Any]:
    module, path = at.folder / "own_features.py", at.folder / "model.joblib"
    module.write_text("class Step:\n    pass\n")
    with patch.object(sys, "path", [str(at.folder), *sys.path]):
        joblib.dump(importlib.import_module("own_features").Step(), path)
    del sys.modules["own_features"]
    return loaded(path, "sklearn-joblib")


def lacking_package(at: Stand) -> Callable[[], Any]:
    folder = at.folder / "logged"
    folder.mkdir()
    flavors = "{python_function: {loader_module: mlflow.prophet}, prophet: {prophet_version: 1.1}}"
    (folder / "MLmodel").write_text(f"flavors: {flavors}\n")
    return loaded(folder, "mlflow")


def other_scikit_learn(at: Stand) -> Callable[[], Any]:
    estimator = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    del estimator.coef_  # as attributes are renamed from one version to another
    path = at.folder / "model.joblib"
    with patch("sklearn.base.__version__", "0.24.2"):
        joblib.dump(estimator, path)
    return loaded(path, "sklearn-joblib")


def other_width(at: Stand) -> Callable[[], Any]:
    path = at.folder / "model.joblib"
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), path)
    columns = [{"name": name, "type": "FP64"} for name in ("temp", "wind")]
    signature = {"inputs": columns, "outputs": [{"name": "p", "type": "FP64"}]}
    return loaded(path, "sklearn-joblib", signature=json.dumps(signature))
