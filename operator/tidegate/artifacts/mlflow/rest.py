"""An MLflow tracking server over its REST API: one request, one answer, one of our errors.

Knows addresses, credentials and what MLflow's errors mean; it decides nothing about versions.
Answers are limited in size and time; credentials never reach a message.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.mlflow.access import URL_KEY, authorization
from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from tidegate.artifacts.credentials import Credentials

REGISTRY_UNKNOWN = "RegistryUnknown"
API = "api/2.0"
ANSWER_S = 15.0
"""Seconds for one answer, its body included."""
CONNECT_S = 5.0
MAX_ANSWER = 16 * 1024**2
"""Bytes of an answer: a long list of files has about a hundred a file."""

_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow answers 400 INVALID_PARAMETER_VALUE for an unknown alias, 404 for an unknown version."""


@dataclass(frozen=True, slots=True)
class Server:
    """A tracking server: its address without a slash at its end, and how it knows us."""

    url: str
    credentials: Credentials

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise Terminal(
                REGISTRY_UNKNOWN,
                f"{shown(self.url)!r} is no address of an MLflow server: set TIDEGATE_MLFLOW_URL, "
                "or the key MLFLOW_TRACKING_URI of the Secret in spec.artifact.credentialsRef, to "
                "one like https://mlflow.example:5000",
            )

    @property
    def shown(self) -> str:
        """For messages: without credentials."""
        return f"MLflow at {shown(self.url)}"


def server_for(credentials: Credentials, *, url: str | None) -> Server:
    """The server that a Model's registry is on: its Secret's, or else the operator's.

    :raises Terminal: RegistryUnknown: neither says one.
    """
    found = credentials.get(URL_KEY) or url
    if found is None:
        raise Terminal(
            REGISTRY_UNKNOWN,
            "no MLflow server is known: set TIDEGATE_MLFLOW_URL for the operator, or the key "
            f"{URL_KEY} of a Secret that spec.artifact.credentialsRef names",
        )
    return Server(found, credentials)


class Rest:
    """Asks tracking servers. Close it; it keeps connections open between polls."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._clients = Clients(self._new)

    async def get(self, server: Server, path: str, /, *, what: str, **query: str) -> dict[str, Any]:
        """The JSON answer to GET `/api/2.0/{path}`. `what` is asked for, in words for messages.

        :raises Terminal: ArtifactNotFound, ArtifactForbidden, RegistryUnknown.
        :raises Unreachable: no answer in time, or a server in trouble.
        """
        content = await self._ask(server, "GET", f"{API}/{path}", what=what, query=query)
        return _parsed(server, content, what)

    async def text(self, server: Server, path: str, /, *, what: str, **query: str) -> str:
        """The text at GET `/{path}`; raises as `get`."""
        content = await self._ask(server, "GET", path, what=what, query=query)
        return content.decode(errors="replace")

    async def send(
        self, server: Server, method: str, path: str, *, what: str, body: Mapping[str, Any]
    ) -> None:
        """Send a change; raises as `get`."""
        await self._ask(server, method, f"{API}/{path}", what=what, body=body)

    async def close(self) -> None:
        """Close what is open."""
        await self._clients.close()

    async def _ask(
        self,
        server: Server,
        method: str,
        path: str,
        *,
        what: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        import httpx  # late: it costs an operator 5 MB, and most have no use for it

        try:
            async with (
                asyncio.timeout(self._answer_s),
                self._clients.of(server.credentials) as client,
                client.stream(
                    method,
                    f"{server.url.rstrip('/')}/{path}",
                    params=query,
                    json=body,
                    headers=authorization(server.credentials),
                ) as response,
            ):
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise Terminal(
                            REGISTRY_UNKNOWN,
                            f"{server.shown} answers more than {MAX_ANSWER} bytes for {what}",
                        )
                _check(server, response.status_code, bytes(content), what=what)
                return bytes(content)
        except (TimeoutError, httpx.TimeoutException):
            raise Unreachable(
                f"{server.shown} did not answer within {self._answer_s:.0f} s when asked for "
                f"{what}: see that it is up and not overloaded"
            ) from None
        except httpx.InvalidURL:
            raise Terminal(REGISTRY_UNKNOWN, f"{server.shown} is no address: correct it") from None
        except httpx.HTTPError as error:
            raise Unreachable(
                f"{server.shown} cannot be reached ({type(error).__name__}): see that it is up, "
                "and that the operator may reach it (NetworkPolicy, proxy, certificate)"
            ) from None

    def _new(self, credentials: Credentials) -> httpx.AsyncClient:
        import httpx

        from tidegate.artifacts.web import trusted

        return httpx.AsyncClient(
            verify=trusted(credentials),
            headers={"user-agent": "tidegate"},
            timeout=httpx.Timeout(self._answer_s, connect=CONNECT_S),
            follow_redirects=False,
            # One client for all Models: a cookie of one's credentials must not go with another's.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        )


def _check(server: Server, status: int, content: bytes, *, what: str) -> None:
    """:raises Terminal, Unreachable: unless the server did what it was asked for."""
    if status == 200:
        return
    if status in (401, 403):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{server.shown} answers {status} when asked for {what}: {server.credentials.hint()}",
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(
            f"{server.shown} answers {status} when asked for {what}: it is in trouble or busy"
        )
    code, message = _error(content)
    if code in _MISSING:
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{server.shown} has no {what} ({message}): correct spec.artifact.uri, or register it",
        )
    raise Terminal(
        REGISTRY_UNKNOWN,
        f"{server.shown} answers {status} when asked for {what}{f' ({code})' if code else ''}: "
        "check that TIDEGATE_MLFLOW_URL, or MLFLOW_TRACKING_URI in the Secret, is the address of "
        "an MLflow 3 server, without a page to log in before it",
    )


def _error(content: bytes) -> tuple[str, str]:
    """Code and message of MLflow's errors, both empty for what is not MLflow's."""
    try:
        found = json.loads(content)
        return str(found["error_code"])[:60], " ".join(str(found["message"]).split())[:200]
    except (ValueError, TypeError, KeyError):
        return "", ""


def _parsed(server: Server, content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Terminal(
            REGISTRY_UNKNOWN,
            f"{server.shown} gave no JSON object when asked for {what}: check that "
            "TIDEGATE_MLFLOW_URL is the address of an MLflow 3 server",
        )
    return found
