"""Conditions of users in CEL, on one variable: `value`, a double.

Owns what makes a text a condition: it compiles, knows nothing but `value`, and says true or false.
"""

from __future__ import annotations

import importlib
from functools import cache, lru_cache
from typing import Any

_TRIED = (0.0, 1.0, -1.5, 1e9)
_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What the library raises for texts that are no CEL, and for CEL that fails on a value."""


@cache
def _engine() -> Any:
    """The CEL library, imported for the first condition: that takes half a second."""
    return importlib.import_module("cel")


@lru_cache(maxsize=512)
def _program(text: str) -> Any:
    return _engine().compile(text)


def holds(text: str, value: float) -> bool:
    """Whether the condition holds of a value.

    :raises ValueError: it cannot be judged for this value; the text says why.
    """
    try:
        said = _program(text).execute({"value": value})
    except _ERRORS as error:
        raise ValueError(f"condition {text!r} cannot be judged: {_first_line(error)}") from error
    if not isinstance(said, bool):
        raise ValueError(f"condition {text!r} gives {said!r}: write one that is true or false")
    return said


def condition_problem(text: str) -> str | None:
    """Why the text is no condition, and how to mend it; None when it is one.

    It is tried on a few numbers: one that fails for some of them only is fine.
    """
    problems = []
    for value in _TRIED:
        try:
            holds(text, value)
        except ValueError as error:
            problems.append(str(error))
        else:
            return None
    return f'{problems[0]}; write CEL on the number `value`, like "value < 0.2"'


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
