"""Transports for tests: straight into an in-memory API server, and one that breaks on purpose.

transport = FaultyTransport(InProcessTransport(api))
transport.fail(status=429, retry_after=3, path="/models", times=2)
transport.kill_after(4)              # the process dies once the 4th write from now was stored
assert transport.writes[-1].method == "PATCH"
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

from tidegate.errors import ServerUnavailable
from tidegate.kube.failures import error_of
from tidegate.kube.transport import Response, split_lines
from tidegate.local.apiserver.messages import ADMIN_TOKEN, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping

    from tidegate.kube.objects import Object
    from tidegate.kube.transport import Transport

WATCH = "WATCH"
"""The method by which tests name the opening of a stream."""
READS = ("GET", "HEAD", WATCH)


class Handler(Protocol):
    """An API server without its HTTP front."""

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        ...


class InProcessTransport:
    """Calls an API server in the same process; no sockets, no time limits.

    `user` is whom the administrator acts as, in `groups`; without one it is the token's own user.
    """

    def __init__(
        self, api: Handler, *, token: str = ADMIN_TOKEN, user: str = "", groups: Iterable[str] = ()
    ) -> None:
        self._api = api
        self._token = token
        self._acting = {"impersonate-user": user} if user else {}
        if groups:
            self._acting["impersonate-group"] = "\n".join(groups)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Answer one request; see `Transport`."""
        answer = await self._handle(method, path, params, headers, body)
        if isinstance(answer.body, bytes):
            return Response(answer.status, _lower(answer.headers), answer.body)
        parts = [part async for part in answer.body]
        return Response(answer.status, _lower(answer.headers), b"".join(parts))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; see `Transport`."""
        answer = await self._handle("GET", path, params, headers, None)
        if answer.status != 200 or isinstance(answer.body, bytes):
            body = answer.body if isinstance(answer.body, bytes) else b""
            raise error_of(
                answer.status, headers=_lower(answer.headers), body=body, what=f"watch {path}"
            )
        async with aclosing(_parts(answer.body)) as parts:
            yield split_lines(parts)

    async def close(self) -> None:
        """Nothing is open."""

    async def _handle(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> HttpResponse:
        authorized = {**headers, **self._acting, "authorization": f"Bearer {self._token}"}
        return await self._api.handle(HttpRequest(method, path, params, authorized, body or b""))


class Killed(BaseException):
    """The process died here. Not an Exception: no error handling may survive it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent."""

    method: str
    path: str
    params: Mapping[str, str]
    body: Object

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class _Fault:
    method: str | None
    path: str
    times: int
    after: bool
    answer: Response | None

    def matches(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in (None, method) and self.path in path


class Onlooker(Protocol):
    """Somebody who sees every write, and may raise `Killed` at it."""

    async def before(self, sent: Sent) -> None:
        """A write is about to be sent."""
        ...

    async def after(self, sent: Sent, answer: Response) -> None:
        """The server has answered it, and the operator does not know it yet."""
        ...


@dataclass(slots=True)
class _Kill:
    at: int
    after: bool


@dataclass
class FaultyTransport:
    """Another transport that keeps what was sent, and fails or dies as a test says."""

    inner: Transport
    sent: list[Sent] = field(default_factory=list)
    onlooker: Onlooker | None = None
    """Stays when the transport is healed."""
    _faults: list[_Fault] = field(default_factory=list)
    _kill: _Kill | None = None
    _written: int = 0

    @property
    def writes(self) -> list[Sent]:
        """The requests sent so far that could change something."""
        return [sent for sent in self.sent if sent.method not in READS]

    def kill_before(self, nth: int) -> None:
        """Die instead of sending the `nth` write from now (1 is the next)."""
        self._kill = _Kill(self._written + nth, after=False)

    def kill_after(self, nth: int) -> None:
        """Die when the `nth` write from now was stored, before its answer is seen."""
        self._kill = _Kill(self._written + nth, after=True)

    def fail(
        self,
        *,
        status: int,
        reason: str = "",
        retry_after: float | None = None,
        method: str | None = None,
        path: str = "",
        times: int = 1,
    ) -> None:
        """Answer matching requests (`path` is a part of it) with `status`, unseen by the server."""
        document = {"kind": "Status", "code": status, "reason": reason, "message": "made to fail"}
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        answer = Response(status, headers, orjson.dumps(document))
        self._faults.append(_Fault(method, path, times, after=False, answer=answer))

    def lose(
        self,
        *,
        method: str | None = None,
        path: str = "",
        times: int = 1,
        stored: bool = False,
    ) -> None:
        """Let matching requests time out; with `stored` the server acts and its answer is lost."""
        self._faults.append(_Fault(method, path, times, after=stored, answer=None))

    @property
    def pending(self) -> int:
        """How many requests are still to meet a fault."""
        return sum(fault.times for fault in self._faults)

    def heal(self) -> None:
        """Forget all faults and kills that were ordered."""
        self._faults.clear()
        self._kill = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Send one request, or break; see `Transport`."""
        sent = Sent(method, path, dict(params), orjson.loads(body) if body else {})
        self.sent.append(sent)
        is_write = method not in READS
        self._written += is_write
        killed = is_write and self._kill is not None and self._kill.at == self._written
        if killed and self._kill is not None and not self._kill.after:
            raise Killed
        watched = self.onlooker if is_write else None
        if watched is not None:
            await watched.before(sent)
        fault = next((one for one in self._faults if one.matches(method, path)), None)
        if fault is not None:
            fault.times -= 1
            if fault.answer is not None:
                return fault.answer
        if fault is None or fault.after:
            answer = await self.inner.request(
                method, path, params=params, headers=headers, body=body, timeout=timeout
            )
            if watched is not None:
                await watched.after(sent, answer)
        if killed:
            raise Killed
        if fault is not None:
            raise ServerUnavailable(f"{method} {path}: made to time out", reason="Timeout")
        return answer

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch, or break; see `Transport`. For faults its method is WATCH."""
        self.sent.append(Sent(WATCH, path, dict(params), {}))
        fault = next((one for one in self._faults if one.matches(WATCH, path)), None)
        if fault is not None:
            fault.times -= 1
            if fault.answer is None:
                raise ServerUnavailable(f"watch {path}: made to time out", reason="Timeout")
            raise error_of(
                fault.answer.status, headers=fault.answer.headers, body=fault.answer.body
            )
        async with self.inner.stream(
            path, params=params, headers=headers, timeout=timeout
        ) as lines:
            yield lines

    async def close(self) -> None:
        """Close the other transport."""
        await self.inner.close()


async def _parts(body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    async for part in body:
        yield part


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}
