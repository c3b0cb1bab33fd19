"""How long a thread may go on reading: as long as whoever waits for it. Pure.

Nobody can end a thread from outside, and one that a slow server keeps is missing to all others.
Who starts it says when it must be over; who reads in it asks for every piece. Where nobody said, as
in a pod's init container, there is no limit here.
"""

from __future__ import annotations

import contextlib
import math
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tidegate.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_until: ContextVar[float] = ContextVar("until", default=math.inf)
"""Monotonic seconds. A thread that is started by asyncio.to_thread takes it along."""


@contextlib.contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """What is started within has so long."""
    before = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(before)


def in_time(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Bytes for as long as there is time.

    :raises Unreachable: it is over.
    """
    for chunk in chunks:
        if time.monotonic() > _until.get():
            raise Unreachable("what was looked at did not arrive in time")
        yield chunk
