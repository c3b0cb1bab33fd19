"""Regular expressions with the semantics of RE2, which is what the API server speaks.

Python's `re` accepts look-around and may take exponential time, so the engine of the CEL library
(linear time, no look-around) decides instead.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from tidegate.local.schema.engine import engine

_GO_REASONS = (
    ("look-around", "invalid or unsupported Perl syntax"),
    ("backreference", "invalid escape sequence"),
    ("unclosed group", "missing closing )"),
    ("unopened group", "unexpected )"),
    ("unclosed character class", "missing closing ]"),
    ("repetition operator missing expression", "missing argument to repetition operator"),
)


@cache
def _matcher() -> Any:
    return engine().compile("text.matches(pattern)")


@lru_cache(maxsize=1024)
def pattern_problem(pattern: str) -> str | None:
    """Why the pattern is no RE2 expression, or None when it is one."""
    try:
        _matcher().execute({"text": "", "pattern": pattern})
    except RuntimeError as error:
        text = str(error)
        for known, reason in _GO_REASONS:
            if known in text:
                return f"error parsing regexp: {reason}: `{pattern}`"
        return f"error parsing regexp: `{pattern}`"
    return None


@lru_cache(maxsize=4096)
def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text; a pattern that is none matches everything."""
    if pattern_problem(pattern) is not None:
        return True
    return bool(_matcher().execute({"text": text, "pattern": pattern}))
