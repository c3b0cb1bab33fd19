"""YAML bodies: read as the JSON that they stand for, or refused before they can do harm.

A few lines of YAML can stand for more than any memory holds, or for what JSON cannot say.
"""

from __future__ import annotations

import base64
import io
import math
from datetime import date, datetime
from typing import Any

# The parser reads about 200 kB a second, and nobody else is served meanwhile.
LONGEST = 256 * 1024
# What anchors may multiply a text to, in values.
_MOST_VALUES = 100_000
_MOST_WHOLE = 1 << 64
# What the parser trips over besides its own errors: tags whose text they do not fit.
_BROKEN = (UnicodeDecodeError, ArithmeticError, AttributeError, LookupError, TypeError)


def load_yaml(text: bytes) -> Any:
    """The JSON value that a YAML document stands for.

    :raises ValueError: when it is none, or too long.
    """
    # Imported only here: it takes longer than all the rest of this package, and JSON needs it not.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > LONGEST:
        raise ValueError(f"a body of YAML may have {LONGEST} bytes here: send a longer one as JSON")
    try:
        value = YAML(typ="safe", pure=True).load(io.BytesIO(text))
        return _Reader().json(value)
    except RecursionError as error:
        raise ValueError("error converting YAML to JSON: yaml: exceeded max depth") from error
    except (YAMLError, *_BROKEN) as error:
        raise ValueError(f"error converting YAML to JSON: yaml: {_as_go_says(error)}") from error


class _Reader:
    """Turns what the parser made into JSON values, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def json(self, value: Any) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            raise ValueError(
                "error converting YAML to JSON: yaml: document contains excessive aliasing"
            )
        if isinstance(value, dict):
            return {_key(key): self.json(below) for key, below in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(below) for below in value]
        return _scalar(value)


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, str | int | float | date):
        return str(key)
    raise ValueError(
        f"error converting YAML to JSON: unsupported map key of type {type(key).__name__}"
    )


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_MOST_WHOLE // 2 <= value < _MOST_WHOLE else float(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"error converting YAML to JSON: json: unsupported value: {value}")
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"error converting YAML to JSON: {type(value).__name__} is no JSON value")


_GO_WORDS = {
    "expected the node content": "did not find expected node content",
    "mapping values are not allowed here": "mapping values are not allowed in this context",
    "expected ',' or ']'": "did not find expected ',' or ']'",
    "expected ',' or '}'": "did not find expected ',' or '}'",
    "expected <block end>": "did not find expected key",
    "cannot start any token": "found character that cannot start any token",
}


def _as_go_says(error: Exception) -> str:
    """What is wrong with YAML, in the words that clients know."""
    problem = str(getattr(error, "problem", "") or str(error).partition("\n")[0])
    said = next((go for ours, go in _GO_WORDS.items() if ours in problem), problem)
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {said}" if mark is not None else said
