"""States as text: what `status.evidence[].state` holds.

Owns the two forms: JSON, and JSON compressed where that is shorter. Ten metrics must fit into a
status. It knows no metric.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from typing import Any

from tidegate.domain.evidence.memo import LARGE_LIMIT

_OBJECT = "{"
"""How JSON begins: base64 has no such character."""


def packed(state: dict[str, Any]) -> str:
    """The text of a state. Raises ValueError for NaN and infinity."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    short = base64.b64encode(zlib.compress(text.encode())).decode()
    return short if len(short) < len(text) else text


@lru_cache(maxsize=LARGE_LIMIT)
def unpacked(text: str) -> dict[str, Any]:
    """The state of a text, shared: never change it. Raises ValueError when it is none."""
    if not text.startswith(_OBJECT):
        try:
            text = zlib.decompress(base64.b64decode(text, validate=True)).decode()
        except zlib.error as error:
            raise ValueError(f"the evidence is broken: {error}") from error
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError("the evidence is no object")
    return state
