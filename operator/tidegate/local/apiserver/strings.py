"""How Go writes strings in messages."""

from __future__ import annotations

import json


def go_quoted(text: str) -> str:
    """A string as Go's %q writes it, which JSON does for all that stands in names and rules."""
    return json.dumps(text, ensure_ascii=False)
