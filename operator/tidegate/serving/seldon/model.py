"""The class that the wrapper of seldon-core serves.

The wrapper makes it once, and calls `load` in the one process that answers requests. It is healthy
only once the model is loaded and warm. What `load` raises ends the process: an AttributeError or a
NotImplementedError would be swallowed by the wrapper, which would then serve nothing, so the
reasons of our loaders are raised as something else, and told in the termination message.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import disable_created_metrics

from tidegate.errors import Terminal
from tidegate.serving.failure import report, termination_line
from tidegate.serving.loading import load_model
from tidegate.serving.model import foreign
from tidegate.serving.seldon.http import NotReady, blueprint, serve_metrics
from tidegate.serving.seldon.payload import matrix_of, names_of, tensors_of
from tidegate.serving.settings import Settings
from tidegate.serving.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.serving.model import LoadedModel
    from tidegate.serving.protocol import Tensor

log = logging.getLogger(__name__)


class LoadingFailed(RuntimeError):
    """The model cannot be served; the reason has been told."""


class SeldonModel:
    """Serves the model that the environment names, by Seldon's protocol."""

    def __init__(self) -> None:
        try:
            self._settings = Settings.from_environment(os.environ)
        except Terminal as failure:
            _tell(failure)
            raise LoadingFailed(failure.message) from None
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._telemetry = Telemetry(model=self._settings.model, revision=self._settings.revision)
        self._model: LoadedModel | None = None
        # The wrapper looks for an attribute of this name.
        self.model_error_handler = blueprint(
            revision=self._settings.revision,
            telemetry=self._telemetry,
            max_body=self._settings.limits.body,
        )

    def load(self) -> None:
        """Load, warm up, and begin to show what is counted. Ends the process when it cannot."""
        settings = self._settings
        try:
            model = load_model(settings)
            serve_metrics(self._telemetry, host=settings.host, port=settings.metrics_port)
        except Terminal as failure:
            if failure.__cause__ is not None:
                log.error("ended by", exc_info=failure.__cause__)
            _tell(failure)
            raise LoadingFailed(failure.message) from None
        except OSError as error:
            raise LoadingFailed(
                f"cannot listen on {settings.host}:{settings.metrics_port}: {error}"
            ) from None
        self._model = model
        self._telemetry.set_ready(True)
        log.warning("ready model=%s revision=%s", settings.model, settings.revision)

    def predict(
        self, given: Any, names: Sequence[str], meta: dict[str, Any] | None = None
    ) -> Tensor:
        """The outputs of the signature, side by side.

        :raises CallerMistake: a 4xx. :raises ForeignError: the model raised; a 500.
        :raises NotReady: a 503.
        """
        model = self._loaded()
        tensors = tensors_of(given, names, model.signature, max_rows=self._settings.limits.rows)
        wanted = model.signature.outputs
        return foreign(lambda: matrix_of(model.predict(tensors, wanted)))

    def class_names(self) -> list[str]:
        """What the columns of `predict` are called."""
        return names_of(self._loaded().signature.outputs)

    def health_status(self) -> list[str]:
        """Anything once the model is loaded and warm. :raises NotReady: a 503, until then."""
        return [self._loaded().platform]

    def init_metadata(self) -> dict[str, Any]:
        """What the wrapper answers under /metadata."""
        return {
            "name": self._settings.model,
            "versions": [self._settings.revision],
            "platform": "tidegate",
        }

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise NotReady("the model is still being loaded")
        return self._model


def _tell(failure: Terminal) -> None:
    """As the last line of stderr, as our own server does; and in the container's termination
    message, for the wrapper writes more lines after it."""
    report(failure)
    path = os.environ.get("TIDEGATE_TERMINATION_LOG")
    if path:
        with contextlib.suppress(OSError):
            Path(path).write_text(termination_line(failure))
