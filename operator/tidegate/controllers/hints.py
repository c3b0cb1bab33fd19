"""Hints from a registry: something changed about a model, so ask it now.

Owns which Models follow what a hint is about. What a hint says of versions is not read: polling is
the truth, and a hint only brings it forward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.artifacts.hint import Refused
from tidegate.artifacts.mlflow import webhook as mlflow
from tidegate.artifacts.mlflow.reference import SCHEME as MODELS_SCHEME
from tidegate.artifacts.mlflow.reference import reference as registered
from tidegate.artifacts.uri import scheme_of
from tidegate.artifacts.wandb import webhook as wandb
from tidegate.artifacts.wandb.reference import SCHEME as WANDB_SCHEME
from tidegate.artifacts.wandb.reference import reference as logged
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of, namespace_of
from tidegate.kube.resources import MODELS
from tidegate.runtime.hooks import Reply
from tidegate.runtime.logs import get_logger
from tidegate.runtime.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.kube.clock import Clock
    from tidegate.runtime.cache import Cache

    type Follows = Callable[[str], bool]
    """Whether an artifact's URI follows what a hint is about."""
    type Read = Callable[[Mapping[str, str], bytes, float], Follows | None]
    """Reads headers (names in lower case) and body of a delivery at a time (unix seconds); None
    where it is about nothing. Raises Refused."""

log = get_logger(__name__)


class Hints:
    """Takes the webhooks of one kind of registry. `ask` has the source of one Model asked now."""

    def __init__(
        self, read: Read, *, cache: Cache, clock: Clock, ask: Callable[[Request], None]
    ) -> None:
        self._read = read
        self._cache = cache
        self._clock = clock
        self._ask = ask

    def __call__(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """As a `Hook`."""
        try:
            follows = self._read(headers, body, self._clock.now().timestamp())
        except Refused as error:
            log.warning("a webhook was refused", why=str(error))
            return Reply(401, str(error))
        if follows is None:
            return Reply(200, "it is about no registered model")
        asked = [
            Request("Model", str(namespace_of(obj)), name_of(obj))
            for obj in self._cache.list(MODELS)
            if follows(str(obj.get("spec", {}).get("artifact", {}).get("uri", "")))
        ]
        for request in asked:
            self._ask(request)
        log.info("webhook", asked=len(asked))
        return Reply(200, f"{len(asked)} asked now")


def of_mlflow(secret: str) -> Read:
    """Reads what MLflow signs with a secret."""

    def read(headers: Mapping[str, str], body: bytes, now: float) -> Follows | None:
        mlflow.verify(secret, headers, body, now=now)
        name = mlflow.model_named(body)
        return None if name is None else lambda uri: _registered_as(uri) == name

    return read


def of_wandb(secret: str) -> Read:
    """Reads what W&B signs with a secret."""

    def read(headers: Mapping[str, str], body: bytes, now: float) -> Follows | None:
        wandb.verify(secret, headers, body)
        named = wandb.collection_named(body)
        return None if named is None else lambda uri: _logged_to(uri) == named

    return read


def _registered_as(uri: str) -> str | None:
    """The registered model that a models:/ URI names."""
    try:
        return registered(uri).name if scheme_of(uri) == MODELS_SCHEME else None
    except Terminal:
        return None


def _logged_to(uri: str) -> tuple[str, str] | None:
    """The project and the name of the artifact that a wandb:// URI names."""
    try:
        named = logged(uri) if scheme_of(uri) == WANDB_SCHEME else None
    except Terminal:
        return None
    return None if named is None else (named.project, named.name)
