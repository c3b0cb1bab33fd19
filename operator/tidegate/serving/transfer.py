"""Streams of an artifact's bytes from where it is: file:// and http(s)://, from an offset on.

Says what went wrong in the words of the reasons that conditions carry: `Terminal` when asking
again cannot help, `Unreachable` when it may. Never shows user, password or query of a URI.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tidegate.artifacts.uri import file_path, path_below, scheme_of, shown
from tidegate.errors import Terminal, Unreachable
from tidegate.serving import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
"""Seconds for the next bytes, and for a connection; the whole has the fetch's own deadline."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of the artifact from `offset` on: 0 when the source cannot begin in the middle."""

    offset: int
    chunks: Iterator[bytes]


@contextlib.contextmanager
def open_source(uri: str, *, offset: int) -> Iterator[Stream]:
    """The bytes of `uri`, from `offset` on if the source can do that.

    :raises Terminal: ArtifactNotFound, ArtifactForbidden, SchemeUnsupported, FileOutsideRoot.
    :raises Unreachable: no answer, a broken connection, or a server in trouble.
    """
    scheme = scheme_of(uri)
    if scheme == "file":
        with _open_file(uri, offset=offset) as stream:
            yield stream
    elif scheme in ("http", "https"):
        with _open_http(uri, offset=offset) as stream:
            yield stream
    else:
        raise Terminal(
            failure.SCHEME_UNSUPPORTED,
            f"{scheme or 'no scheme'} in {shown(uri)!r}: use file:// or http(s)://",
        )


@contextlib.contextmanager
def _open_file(uri: str, *, offset: int) -> Iterator[Stream]:
    path = file_path(uri)
    if root := os.environ.get("TIDEGATE_FILE_ROOT"):
        path = path_below(Path(root), path)
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "no such file, or not a plain one")
        file = path.open("rb")
    except OSError as error:
        reason = (
            failure.ARTIFACT_FORBIDDEN
            if isinstance(error, PermissionError)
            else failure.ARTIFACT_NOT_FOUND
        )
        raise Terminal(
            reason,
            f"{path} cannot be read ({error.strerror}): check spec.artifact.uri, and that the "
            "folder is mounted in the pod",
        ) from None
    with file:
        file.seek(offset)
        yield Stream(offset, iter(lambda: file.read(CHUNK), b""))


@contextlib.contextmanager
def _open_http(uri: str, *, offset: int) -> Iterator[Stream]:
    headers = {"accept-encoding": "identity", "user-agent": "tidegate-fetch"}
    if offset:
        headers["range"] = f"bytes={offset}-"
    try:
        with (
            httpx.Client(
                timeout=TIMEOUTS,
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                event_hooks={"request": [_Redirects(uri)]},
            ) as client,
            client.stream("GET", uri, headers=headers) as response,
        ):
            begins = _beginning(response, uri, offset=offset)
            if begins is None:
                # Nothing at that offset: what is there is another file. Take it from its start.
                response.close()
                with _open_http(uri, offset=0) as stream:
                    yield stream
            else:
                # As it comes: gathered into larger pieces, what a broken connection brought last
                # would be lost, and would have to come again.
                yield Stream(begins, response.iter_raw())
    except httpx.TooManyRedirects:
        raise Terminal(
            failure.ARTIFACT_NOT_FOUND,
            f"{shown(uri)} redirects more than {MAX_REDIRECTS} times: give the final address",
        ) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Terminal(
            failure.ARTIFACT_NOT_FOUND, f"{shown(uri)} is no address: correct spec.artifact.uri"
        ) from None
    except httpx.HTTPError as error:
        raise Unreachable(
            f"{shown(uri)} did not deliver the artifact ({type(error).__name__}): check the "
            "address, and that pods may reach it (NetworkPolicy, proxy)"
        ) from None


class _Redirects:
    """Refuses to be led from https to http, or out of HTTP."""

    def __init__(self, uri: str) -> None:
        self._secure = scheme_of(uri) == "https"

    def __call__(self, request: httpx.Request) -> None:
        if request.url.scheme != "https" and (self._secure or request.url.scheme != "http"):
            raise Terminal(
                failure.ARTIFACT_FORBIDDEN,
                f"the address redirects from https to {request.url.scheme}: give one that stays "
                "on https",
            )


def _beginning(response: httpx.Response, uri: str, *, offset: int) -> int | None:
    """Where the body begins, or None when it begins where it was not asked to."""
    status = response.status_code
    if status == 200:
        return 0
    if status == 206 and offset:
        if response.headers.get("content-range", "").startswith(f"bytes {offset}-"):
            return offset
        return None
    if status == 416 and offset:
        return None
    if status in (401, 403):
        raise Terminal(
            failure.ARTIFACT_FORBIDDEN,
            f"{shown(uri)} answers {status}: the address needs credentials that the pod has not",
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(f"{shown(uri)} answers {status}: the server is in trouble or busy")
    raise Terminal(
        failure.ARTIFACT_NOT_FOUND,
        f"{shown(uri)} answers {status}: correct spec.artifact.uri, or put the file there",
    )
