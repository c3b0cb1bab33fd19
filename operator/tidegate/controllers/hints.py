"""Hints from an MLflow registry: something changed about a model, so ask it now.

Owns which Models follow a registered model. What a hint says of versions is not read: polling is
the truth, and a hint only brings it forward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.artifacts.mlflow.reference import SCHEME, reference
from tidegate.artifacts.mlflow.webhook import Refused, model_named, verify
from tidegate.artifacts.uri import scheme_of
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of, namespace_of
from tidegate.kube.resources import MODELS
from tidegate.runtime.hooks import Reply
from tidegate.runtime.logs import get_logger
from tidegate.runtime.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache

log = get_logger(__name__)


class MlflowHints:
    """Takes MLflow's webhooks. `ask` has the source of one Model asked now."""

    def __init__(
        self, secret: str, *, cache: Cache, clock: Clock, ask: Callable[[Request], None]
    ) -> None:
        self._secret = secret
        self._cache = cache
        self._clock = clock
        self._ask = ask

    def __call__(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """As a `Hook`."""
        try:
            verify(self._secret, headers, body, now=self._clock.now().timestamp())
        except Refused as error:
            log.warning("a webhook was refused", why=str(error))
            return Reply(401, str(error))
        name = model_named(body)
        if name is None:
            return Reply(200, "it is about no registered model")
        asked = [request for obj in self._cache.list(MODELS) if (request := _follows(obj, name))]
        for request in asked:
            self._ask(request)
        log.info("webhook", model=name, asked=len(asked))
        return Reply(200, f"{len(asked)} asked now")


def _follows(obj: Object, name: str) -> Request | None:
    """The request of a Model that follows an alias of a registered model."""
    uri = str(obj.get("spec", {}).get("artifact", {}).get("uri", ""))
    if scheme_of(uri) != SCHEME:
        return None
    try:
        named = reference(uri)
    except Terminal:
        return None
    if named.name != name:
        return None
    return Request("Model", str(namespace_of(obj)), name_of(obj))
