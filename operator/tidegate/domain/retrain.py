"""The wish to train now, as somebody writes it into a Model's annotation. Pure.

What becomes of a wish is decided in `training.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

ANNOTATION = "tidegate.dev/retrain"


@dataclass(frozen=True)
class RetrainCommand:
    """A wish to train now. `problem` is why it cannot be understood."""

    id: str
    by: str = ""
    problem: str = ""


def read_command(text: str | None) -> RetrainCommand | None:
    """The command in the annotation `tidegate.dev/retrain`; None without."""
    if not text:
        return None
    fallback = hashlib.sha256(text.encode()).hexdigest()[:12]
    try:
        raw: Any = json.loads(text)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        return RetrainCommand(fallback, problem='it is no JSON object like {"id":"1","by":"me"}')
    return RetrainCommand(str(raw.get("id") or fallback)[:64], str(raw.get("by", ""))[:128])
