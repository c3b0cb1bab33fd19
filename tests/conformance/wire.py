"""Sends what a case says over HTTP, and reads what comes back: whole answers and watches."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.targets import Target

_TIMEOUT = aiohttp.ClientTimeout(total=120)
_GENERATED = re.compile(r"a (\w+) whose data\.(\w+) is ([\d,]+) characters")
# The recorder sent nothing by itself; the field manager, for one, is taken from the user agent.
_SILENT = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True)
class Answer:
    """One whole answer; repeated headers are joined by line feeds, their names are lower-case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def decoded(self) -> Any:
        """The body as JSON if it is JSON, else as text; None if there is none."""
        if not self.text:
            return None
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


class Wire:
    """A connection to one target."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session

    async def send(self, request: Mapping[str, Any]) -> Answer:
        """Send a request (`method path query headers body`) and read its answer.

        With `as_recorder` it is made as the caller who made the recordings.
        """
        async with self._open(request) as response:
            text = (await response.read()).decode(errors="replace")
            return Answer(response.status, _headers(response), text)

    async def watch(
        self, request: Mapping[str, Any], *, limit: float, opened: asyncio.Event
    ) -> tuple[Answer, list[Any]]:
        """Read a watch to its end, or for `limit` seconds; `opened` is set when it has begun."""
        events: list[Any] = []
        async with self._open(request) as response:
            opened.set()
            answer = Answer(response.status, _headers(response), "")
            try:
                async with asyncio.timeout(limit):
                    events += [json.loads(line) async for line in _lines(response)]
            except TimeoutError:
                events.append({"type": f"(still open after {limit:.0f} s)"})
        return answer, events

    def _open(self, request: Mapping[str, Any]) -> aiohttp.client._RequestContextManager:
        headers = dict(request.get("headers") or {})
        if request.get("as_recorder") and self._target.token:
            headers.setdefault("Authorization", f"Bearer {self._target.token}")
        return self._session.request(
            request["method"],
            self._url(request),
            data=_body(request.get("body"), headers),
            headers=headers,
            skip_auto_headers=_SILENT,
            allow_redirects=False,
            ssl=self._target.context or True,
            timeout=_TIMEOUT,
        )

    def _url(self, request: Mapping[str, Any]) -> URL:
        path = quote(request["path"], safe="/:%?=&~!$'()*+,;@")
        query = urlencode(request.get("query") or {}, quote_via=quote)
        joint = "&" if "?" in path else "?"
        return URL(f"{self._target.url}{path}{joint + query if query else ''}", encoded=True)


async def _lines(response: aiohttp.ClientResponse) -> Any:
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def _body(body: Any, headers: dict[str, str]) -> io.BytesIO | None:
    if body is None:
        return None
    if isinstance(body, str):
        return io.BytesIO(body.encode())
    headers.setdefault("Content-Type", "application/json")
    if isinstance(body, dict) and "$generated" in body:
        body = generated(body["$generated"])
    return io.BytesIO(json.dumps(body).encode())


def generated(text: str) -> dict[str, Any]:
    """The object that a recording describes instead of keeping it.

    :raises ValueError: when it describes it in words that are not known.
    """
    found = _GENERATED.fullmatch(text)
    if found is None:
        raise ValueError(f"no way to generate {text!r}")
    size = int(found[3].replace(",", ""))
    return {
        "apiVersion": "v1",
        "kind": found[1],
        "metadata": {"name": "big"},
        "data": {found[2]: "x" * size},
    }
