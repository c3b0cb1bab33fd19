"""When a source is asked, and when it is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import Shelf

from tidegate.api.artifact import Artifact
from tidegate.controllers.credentials import Secrets
from tidegate.controllers.polling import Polling, jittered
from tidegate.errors import Retryable, Unreachable
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from tidegate.artifacts.base import Resolved

URI = "models:/fraud@challenger"
MODEL: dict[str, Any] = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"namespace": "ml", "name": "fraud", "uid": "1"},
}


def artifact(**changes: Any) -> Artifact:
    return Artifact.model_validate({"uri": URI, "format": "onnx", "pollInterval": "1m", **changes})


async def test_a_moving_reference_is_asked_by_its_interval_and_once_more_after_a_hint() -> None:
    async with FakeKube.start(namespace="ml") as kube:
        shelf = Shelf()
        polling = Polling(Secrets(kube.client), kube.clock, shelf)
        await polling.resolve(MODEL, artifact())
        assert 48.0 <= polling.again_s(MODEL) <= 60.0
        await polling.resolve(MODEL, artifact())
        assert shelf.asked == 1
        polling.hint("ml", "fraud")
        polling.hint("ml", "never-seen")
        await polling.resolve(MODEL, artifact())
        assert shelf.asked == 2
        await kube.clock.advance(60.0)
        await polling.resolve(MODEL, artifact())
        assert shelf.asked == 3


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (MODEL, artifact(uri="models:/fraud/2")),
        (MODEL, artifact(format="xgboost")),
        (MODEL, artifact(credentialsRef={"name": "other"})),
        ({**MODEL, "metadata": {**MODEL["metadata"], "uid": "2"}}, artifact()),
    ],
)
async def test_what_is_declared_anew_is_asked_at_once(model: Any, asked: Artifact) -> None:
    async with FakeKube.start(namespace="ml") as kube:
        await kube.put(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "other", "namespace": "ml"},
                "stringData": {"token": "t"},
            }
        )
        shelf = Shelf()
        polling = Polling(Secrets(kube.client), kube.clock, shelf)
        await polling.resolve(MODEL, artifact())
        await polling.resolve(model, asked)
        assert shelf.asked == 2


async def test_a_registry_that_is_down_does_not_hold_up_every_look_at_a_model() -> None:
    class Down(Shelf):
        async def resolve(self, uri: str, **_: Any) -> Resolved:
            self.asked += 1
            raise Unreachable("no answer")

    async with FakeKube.start(namespace="ml") as kube:
        down = Down()
        polling = Polling(Secrets(kube.client), kube.clock, down)
        for _ in range(5):
            with pytest.raises(Retryable, match="no answer"):
                await polling.resolve(MODEL, artifact())
        assert down.asked == 1
        await kube.clock.advance(10.0)
        with pytest.raises(Retryable):
            await polling.resolve(MODEL, artifact())
        assert down.asked == 2


def test_polls_come_a_little_early_and_never_late() -> None:
    minute = timedelta(minutes=1).total_seconds()
    found = {jittered(minute) for _ in range(200)}
    assert len(found) > 100
    assert 48.0 <= min(found) <= max(found) <= 60.0


RESOLVED = {
    "version": "v1", "location": "s3://models/fraud?versionId=1", "sha256": "a" * 64, "size": 7,
    "format": "onnx", "kind": "tree", "immutable": True, "at": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "known"),
    [("s3://models/fraud", True), ("https://models/fraud", False), (URI, False)],
)
async def test_a_new_operator_knows_of_a_stores_artifact_what_status_says(
    uri: str, known: bool
) -> None:
    async with FakeKube.start(namespace="ml") as kube:
        shelf = Shelf()
        told = {**MODEL, "status": {"resolved": RESOLVED}}
        await Polling(Secrets(kube.client), kube.clock, shelf).resolve(told, artifact(uri=uri))
        assert (shelf.previous is not None) == known
        if shelf.previous is not None:
            assert (shelf.previous.version, shelf.previous.location) == (
                "v1", RESOLVED["location"],
            )  # fmt: skip
            assert (shelf.previous.kind, shelf.previous.immutable) == ("tree", True)
