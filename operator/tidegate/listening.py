"""The end of an aiohttp server: no connection may outlive it.

asyncio makes the transport of an accepted connection a turn of the loop after it accepted it. A
server that is closed in between refuses the transport (`assert self._sockets is not None` in
CPython's `Server._attach`), and nobody closes the socket. aiohttp closes its server in that way
whenever a client connects in the moment of the end: Envoy, Prometheus and probes do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

# accept -> its task -> connection_made, and one more for a socket that its transport closes.
_TURNS = 4


async def end(runner: web.BaseRunner) -> None:
    """Accept nobody any more, let requests end within the runner's time, close every connection."""
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        found: asyncio.Server | None = getattr(site, "_server", None)  # aiohttp has no other way
        for listener in found.sockets if found is not None else ():
            loop.remove_reader(listener)
    await _turns()  # who was accepted has a connection now, which the next line closes
    await runner.cleanup()
    await _turns()


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
