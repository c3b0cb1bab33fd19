"""Reads the outputs of one arm's pods, each from where it was left, and hands them on in order.

A pod that is read for the first time is read from the present on: what it holds already may have
been counted by a comparer that ran before. A cursor moves on only when its page has been handed on.
An answer of another revision is none: its address belongs to another pod by now.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import httpx

from tidegate.serving.records import OUTPUTS_PATH, Page, decode_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tidegate.comparing.settings import Side

log = logging.getLogger(__name__)

type Resolve = Callable[[str], Awaitable[set[str]]]
type Take = Callable[[Page], None]

TIMEOUT_S = 2.0
PAGE_LIMIT = 5000
PAGE_BYTES = 16 * 1024 * 1024
"""Above what a server puts on a page; more than that is no page."""

MAX_PAGES = 10
"""Of one pod and round: even a slow one leaves the round shorter than the health check waits."""

RESOLVE_EVERY_S = 5.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
MAX_PODS = 200


class ReadFailed(Exception):
    """A pod did not answer, or not with a page of the arm's revision."""


@dataclass(slots=True)
class _Pod:
    cursor: str | None = None
    failures: int = 0
    not_before: float = 0.0


class Poller:
    """One arm. `take` is called with each page, `on_failure` for each read that failed."""

    def __init__(
        self,
        side: Side,
        *,
        model: str,
        port: int,
        client: httpx.AsyncClient,
        take: Take,
        on_failure: Callable[[], None],
        resolve: Resolve | None = None,
    ) -> None:
        self._side = side
        self._model = model
        self._port = port
        self._client = client
        self._take = take
        self._on_failure = on_failure
        self._resolve = resolve or addresses_of
        self._pods: dict[str, _Pod] = {}
        self._resolve_at = 0.0

    @property
    def answering(self) -> int:
        """How many pods answered when they were last asked."""
        return sum(pod.cursor is not None and not pod.failures for pod in self._pods.values())

    async def poll(self, *, now: float) -> None:
        """Read every pod whose turn it is, all at once; never longer than their timeouts."""
        if now >= self._resolve_at:
            await self._look_up()
            self._resolve_at = now + RESOLVE_EVERY_S
        async with asyncio.TaskGroup() as tasks:
            for address, pod in list(self._pods.items()):
                if now >= pod.not_before:
                    tasks.create_task(self._read(address, pod, now=now))

    async def _look_up(self) -> None:
        """Bring the pods in step with what the hosts resolve to; a failed name changes nothing."""
        found: set[str] = set()
        complete = True
        for host in self._side.hosts:
            try:
                found |= await self._resolve(host)
            except OSError as error:
                complete = False
                log.warning("cannot resolve host=%s because=%s", host, error)
        wanted = sorted(found)[:MAX_PODS]
        if complete:
            for address in self._pods.keys() - set(wanted):
                del self._pods[address]
        for address in wanted:
            self._pods.setdefault(address, _Pod())

    async def _read(self, address: str, pod: _Pod, *, now: float) -> None:
        try:
            for _ in range(MAX_PAGES):
                page = await self._page(address, pod.cursor)
                if pod.cursor is not None:
                    self._take(page)
                is_first, pod.cursor = pod.cursor is None, page.next
                if is_first or not page.more:
                    break
        except ReadFailed as failure:
            pod.failures += 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (pod.failures - 1))
            pod.not_before = now + pause
            self._on_failure()
            if pod.failures == 1:
                log.warning("cannot read pod=%s because=%s", address, failure)
        else:
            pod.failures = 0

    async def _page(self, address: str, since: str | None) -> Page:
        host = f"[{address}]" if ":" in address else address
        query = {"limit": str(PAGE_LIMIT)} | ({"since": since} if since is not None else {})
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.stream(
                    "GET", f"http://{host}:{self._port}{OUTPUTS_PATH}", params=query
                ) as answer,
            ):
                if answer.status_code != 200:
                    raise ReadFailed(f"it answers {answer.status_code}")
                page = decode_page(await _body(answer))
        except (httpx.HTTPError, TimeoutError) as error:
            raise ReadFailed(f"{type(error).__name__}: {error}") from None
        except ValueError as error:
            raise ReadFailed(str(error)) from None
        if (page.model, page.revision) != (self._model, self._side.revision):
            raise ReadFailed(f"it serves {page.revision!r}, not {self._side.revision!r}")
        return page


async def _body(answer: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > PAGE_BYTES:
            raise ReadFailed(f"its answer is larger than {PAGE_BYTES} bytes")
    return bytes(content)


async def addresses_of(host: str) -> set[str]:
    """Every address of a host; of a headless Service those of its pods.

    :raises OSError: the name does not resolve, or not in time.
    """
    try:
        return {str(ip_address(host))}
    except ValueError:
        pass
    async with asyncio.timeout(TIMEOUT_S):  # TimeoutError is an OSError
        found: Iterable[tuple[object, ...]] = await asyncio.get_running_loop().getaddrinfo(
            host, None, type=socket.SOCK_STREAM
        )
    return {str(address[0]) for *_, address in found if isinstance(address, tuple)}
