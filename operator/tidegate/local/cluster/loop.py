"""The event loop of the supervisor, and what else its process is set to, so that it is quick."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from collections.abc import Coroutine

_SWITCH_S = 0.0005
"""The thread that writes the disk needs the interpreter for microseconds: it must get it soon."""
_YOUNG = 50_000
"""Objects made between two looks for cycles; requests make many and leave none."""


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in a loop of its own."""
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNG, 20, 50)
    return uvloop.run(main)
