"""The CEL engine, imported when the first rule or pattern needs it, without its command line.

Its package imports the command line with a terminal toolkit, which takes longer than the API server
to start: half a second in which nobody is answered.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def engine() -> Any:
    """The module of the CEL library."""
    sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
    return importlib.import_module("cel")


@cache
def standard_functions() -> dict[str, Callable[..., Any]]:
    """cel-go's extension functions, which the library leaves to us to register."""
    engine()
    found: dict[str, Callable[..., Any]] = importlib.import_module("cel.stdlib").STDLIB_FUNCTIONS
    return found
