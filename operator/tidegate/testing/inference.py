"""Pods that answer predictions in memory: what controllers see of a model before any traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import Unreachable
from tidegate.inference.pods import Answer

type Predict = Callable[[Mapping[str, Any]], Any]
"""From the body of a request to the body of its answer."""


@dataclass
class FakeInference:
    """Answers by `predict` after `seconds`, or with `status`; unreachable while it is None."""

    predict: Predict | None = None
    status: int = 200
    seconds: float = 0.005
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def infer(self, url: str, body: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """See `tidegate.inference.pods.Inference`."""
        self.asked.append((url, body))
        if self.predict is None:
            raise Unreachable(f"{url} did not answer (ConnectError)")
        return Answer(self.status, self.predict(body), self.seconds)
