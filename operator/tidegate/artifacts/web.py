"""What all sources that speak HTTP have in common: clients, redirects, authorization, refusals.

The same library on both sides: asynchronous in the operator, blocking in the init container. Says
what went wrong in the words of the reasons that conditions carry, and never shows user, password or
query of a URI.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND
from tidegate.artifacts.clients import AUTHORITY
from tidegate.artifacts.credentials import CREDENTIALS_INVALID, NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import Stream
from tidegate.artifacts.uri import URI_INVALID, scheme_of, shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

MAX_REDIRECTS = 5
CONNECT_S = 10.0
IDLE_S = 30.0
"""Seconds for a connection, and for the next bytes; the whole has its caller's own deadline."""

HEADERS = {"accept-encoding": "identity", "user-agent": "tidegate"}
"""Artifacts are hashed as they lie there, so nothing may be compressed on the way."""

# It logs whole addresses at INFO, and queries often are secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)


def authorization(credentials: Credentials) -> httpx.Auth | None:
    """How a Secret's `token` (bearer), or `username` and `password` (basic), go with a request.

    :raises Terminal: CredentialsInvalid: there is a Secret, and neither is in it.
    """
    if not credentials:
        return None
    if token := credentials.get("token"):
        return Bearer(token)
    if user := credentials.get("username"):
        return httpx.BasicAuth(user, credentials.need("password", why="which goes with username"))
    if credentials.get(AUTHORITY) is None:
        credentials.need("token", why="nor username and password")
    return None


@functools.cache
def _usual() -> ssl.SSLContext:
    """The usual authorities, read once: that takes 20 ms, and a tree's files have a client each."""
    return httpx.create_ssl_context()


def trusted(credentials: Credentials) -> ssl.SSLContext:
    """What a server's certificate is checked against: the usual authorities, and that of the
    Secret.

    :raises Terminal: CredentialsInvalid: there is one, and it is no certificate.
    """
    certificate = credentials.get(AUTHORITY)
    if certificate is None:
        return _usual()
    context = httpx.create_ssl_context()
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        raise Terminal(
            CREDENTIALS_INVALID,
            f"{AUTHORITY} in the Secret {credentials.name!r} is no certificate: put it there as "
            "PEM text, -----BEGIN CERTIFICATE----- and all",
        ) from None
    return context


class Bearer(httpx.Auth):
    """A token. httpx takes it off a request that is redirected to another origin."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def new_client(
    *,
    auth: httpx.Auth | None = None,
    credentials: Credentials = NO_CREDENTIALS,
    idle_s: float = IDLE_S,
) -> httpx.Client:
    """A blocking client; redirects are followed, a few, and never out of https. Of `credentials` it
    takes the authority alone; raises as `trusted`."""
    return httpx.Client(
        auth=auth,
        verify=trusted(credentials),
        headers=HEADERS,
        timeout=httpx.Timeout(idle_s, connect=CONNECT_S),
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        event_hooks={"response": [_check_redirect]},
    )


def new_async_client(
    *, credentials: Credentials = NO_CREDENTIALS, idle_s: float = IDLE_S
) -> httpx.AsyncClient:
    """The same for the operator. It serves all Models, so it holds no credentials: they are given
    with each request; only one for an authority of somebody's own is for that Model alone."""

    async def check(response: httpx.Response) -> None:
        _check_redirect(response)

    return httpx.AsyncClient(
        verify=trusted(credentials),
        headers=HEADERS,
        timeout=httpx.Timeout(idle_s, connect=CONNECT_S),
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        event_hooks={"response": [check]},
        # A cookie of one Model's session must not go with another's request.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    )


def _check_redirect(response: httpx.Response) -> None:
    """Refuse to be led from https to http, or out of HTTP."""
    target = response.headers.get("location")
    if not response.has_redirect_location or target is None:
        return
    scheme, to = response.url.scheme, scheme_of(target) or response.url.scheme
    if to not in ("http", "https") or (scheme == "https" and to != "https"):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{shown(str(response.url))} redirects from {scheme} to {to}: give an address that "
            "stays on https",
        )


@contextlib.contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns what httpx raises within into Terminal and Unreachable that name `uri`."""
    try:
        yield
    except httpx.TooManyRedirects:
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{shown(uri)} redirects more than {MAX_REDIRECTS} times: give the final address",
        ) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError):
        raise Terminal(
            URI_INVALID, f"{shown(uri)} is no address: correct spec.artifact.uri"
        ) from None
    except httpx.TimeoutException:
        raise Unreachable(
            f"{shown(uri)} did not answer in time: check the address, and that it may be reached "
            "from here (NetworkPolicy, proxy)"
        ) from None
    except httpx.HTTPError as error:
        raise Unreachable(
            f"{shown(uri)} cannot be reached ({type(error).__name__}): check the address, and that "
            "it may be reached from here (NetworkPolicy, proxy, certificate)"
        ) from None


def check_status(uri: str, status: int, credentials: Credentials = NO_CREDENTIALS) -> None:
    """:raises Terminal: ArtifactForbidden, ArtifactNotFound. :raises Unreachable: worth a retry."""
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise Terminal(ARTIFACT_FORBIDDEN, f"{shown(uri)} answers {status}: {credentials.hint()}")
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(f"{shown(uri)} answers {status}: the server is in trouble or busy")
    raise Terminal(
        ARTIFACT_NOT_FOUND,
        f"{shown(uri)} answers {status}: correct spec.artifact.uri, or put the file there",
    )


@contextlib.contextmanager
def open_url(
    url: str,
    *,
    offset: int,
    client: httpx.Client,
    headers: Mapping[str, str] | None = None,
    credentials: Credentials = NO_CREDENTIALS,
) -> Iterator[Stream]:
    """The bytes at an address, from `offset` on if the server can do that.

    `credentials` only word a refusal; those that are sent are the client's. Raises as `Fetcher`.
    """
    asked = {**(headers or {})}
    if offset:
        asked["range"] = f"bytes={offset}-"
    with explained(url), client.stream("GET", url, headers=asked) as response:
        begins = _beginning(response, url, offset=offset, credentials=credentials)
        if begins is not None:
            # As it comes: gathered into larger pieces, what a broken connection brought last would
            # be lost, and would have to come again.
            yield Stream(begins, response.iter_raw())
            return
    # Nothing at that offset: what is there is another file. Take it from its start.
    with open_url(url, offset=0, client=client, headers=headers, credentials=credentials) as whole:
        yield whole


def _beginning(
    response: httpx.Response, uri: str, *, offset: int, credentials: Credentials
) -> int | None:
    """Where the body begins, or None when it begins where it was not asked to."""
    status = response.status_code
    if status == 206 and offset:
        begins = response.headers.get("content-range", "").startswith(f"bytes {offset}-")
        return offset if begins else None
    if status == 416 and offset:
        return None
    check_status(uri, status, credentials)
    return 0
