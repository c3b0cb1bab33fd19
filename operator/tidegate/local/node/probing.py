"""Asks a container how it is: one HTTP request, one connection, or one command. No conclusions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tidegate.kube.objects import Object

type RunCommand = Callable[[Sequence[str], float], Awaitable[tuple[int, str]]]
"""Runs a command in the container, within seconds; returns exit code and output.

Raises TimeoutError.
"""

_MAX_BODY_BYTES = 10 * 1024
_USER_AGENT = "kube-probe/tidegate"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe heard. `message` says what was wrong."""

    ok: bool
    message: str = ""


class Prober:
    """Asks one container at `address`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        address: str,
        container: Mapping[str, Any],
        run_command: RunCommand,
    ) -> None:
        self._session = session
        self._address = address
        self._container = container
        self._run_command = run_command

    async def ask(self, handler: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """Ask once; never raises for a container that answers badly or not at all."""
        if "httpGet" in handler:
            return await self._http(handler["httpGet"], timeout_s)
        if "tcpSocket" in handler:
            return await self._tcp(handler["tcpSocket"], timeout_s)
        if "exec" in handler:
            return await self._exec(handler["exec"], timeout_s)
        return Answer(False, "the local node has no such kind of probe")

    async def _http(self, get: Mapping[str, Any], timeout_s: float) -> Answer:
        scheme = str(get.get("scheme") or "HTTP").lower()
        host = str(get.get("host") or self._address)
        path = str(get.get("path") or "/")
        headers = {"User-Agent": _USER_AGENT, "Accept": "*/*"}
        headers |= {str(item["name"]): str(item["value"]) for item in get.get("httpHeaders") or []}
        try:
            url = f"{scheme}://{host}:{port_of(get['port'], self._container)}/{path.lstrip('/')}"
            async with self._session.get(
                url,
                headers=headers,
                ssl=False,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                await response.content.read(_MAX_BODY_BYTES)
                if 200 <= response.status < 400:
                    return Answer(True)
                return Answer(False, f"HTTP probe failed with statuscode: {response.status}")
        except TimeoutError:
            return Answer(False, f'Get "{url}": no answer within {timeout_s:g} s')
        except aiohttp.ClientConnectorError as error:
            return Answer(False, f'Get "{url}": {error.os_error.strerror or error.os_error}')
        except (aiohttp.ClientError, OSError) as error:
            return Answer(False, f'Get "{url}": {error}')
        except ValueError as error:
            return Answer(False, str(error))

    async def _tcp(self, socket: Mapping[str, Any], timeout_s: float) -> Answer:
        host = str(socket.get("host") or self._address)
        try:
            port = port_of(socket["port"], self._container)
            async with asyncio.timeout(timeout_s):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return Answer(False, f"dial tcp {host}: no answer within {timeout_s:g} s")
        except (OSError, ValueError) as error:
            return Answer(False, f"dial tcp {host}: {error}")
        writer.close()
        return Answer(True)

    async def _exec(self, command: Mapping[str, Any], timeout_s: float) -> Answer:
        try:
            code, output = await self._run_command(command.get("command") or [], timeout_s)
        except TimeoutError:
            return Answer(False, f"command timed out after {timeout_s:g} s")
        return Answer(code == 0, output)


def port_of(port: int | str, container: Mapping[str, Any] | Object) -> int:
    """Return the number of a port that may be named. Raises ValueError for an unknown name."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    for offered in container.get("ports") or []:
        if offered.get("name") == port:
            return int(offered["containerPort"])
    raise ValueError(f"the container has no port named {port!r}")
