"""The CEL engine, imported when the first rule or pattern needs it.

Its package imports a terminal toolkit, which costs half a second; a process that never meets a rule
should not pay for it.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def engine() -> Any:
    """The module of the CEL library."""
    return importlib.import_module("cel")


@cache
def standard_functions() -> dict[str, Callable[..., Any]]:
    """cel-go's extension functions, which the library leaves to us to register."""
    found: dict[str, Callable[..., Any]] = importlib.import_module("cel.stdlib").STDLIB_FUNCTIONS
    return found
