"""The two ports beside the model's own: `/metrics` for Prometheus, outputs for the comparer.

They are ports of their own because a gateway leads everybody to the model's whole port, and these
say what others asked and were answered. No Service names them. Neither waits for the model.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tidegate.serving.answers import Answer, error
from tidegate.serving.records import CONTENT_TYPE, OUTPUTS_PATH, encode_page
from tidegate.serving.telemetry import CONTENT_TYPE as METRICS_CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn._types import HTTPScope

    from tidegate.serving.outputs import Ring
    from tidegate.serving.telemetry import Telemetry

METRICS_PATH = "/metrics"
DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000


class SidePorts:
    """Answers for both; one method a port."""

    def __init__(self, *, telemetry: Telemetry, ring: Ring) -> None:
        self._telemetry = telemetry
        self._ring = ring

    def metrics(self, scope: HTTPScope) -> Answer:
        """What has been counted."""
        return _get(scope, METRICS_PATH) or Answer(
            200, self._telemetry.render(), METRICS_CONTENT_TYPE.encode()
        )

    def outputs(self, scope: HTTPScope) -> Answer:
        """A page of the ring. `since` is the `next` of the page before; without it, the present."""
        refused = _get(scope, OUTPUTS_PATH)
        if refused is not None:
            return refused
        query = parse_qs(scope["query_string"].decode("latin-1"))
        asked = query.get("limit", [str(DEFAULT_LIMIT)])[-1]
        if not asked.isdecimal() or not 1 <= int(asked) <= MAX_LIMIT:
            return error(400, f"limit must be a number from 1 to {MAX_LIMIT}")
        page = self._ring.read(
            query.get("since", [None])[-1], limit=int(asked), now=time.monotonic()
        )
        return Answer(200, encode_page(page), CONTENT_TYPE.encode())


def _get(scope: HTTPScope, path: str) -> Answer | None:
    """The refusal of anything but GET of `path`; None for that."""
    if scope["path"] != path:
        return error(404, f"this port has {path} alone")
    if scope["method"] not in ("GET", "HEAD"):
        return error(405, f"{path} takes GET", allow=b"GET, HEAD")
    return None


type Port = Callable[[HTTPScope], Answer]
