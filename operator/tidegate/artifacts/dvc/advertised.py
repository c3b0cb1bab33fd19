"""Asking a git server which commit a branch or tag is, without a clone: one small request.

The first answer of git's smart protocol over HTTP lists every branch and tag with its commit.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND, CHUNK
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.dvc.access import git_authorization
from tidegate.artifacts.dvc.reference import COMMIT
from tidegate.artifacts.web import check_status, explained, new_async_client
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.dvc.reference import Reference

GIT_UNKNOWN = "GitUnknown"
_LIMIT_BYTES = 32 * 1024 * 1024
_TOTAL_S = 30.0
_SERVICE = "git-upload-pack"
_TYPE = f"application/x-{_SERVICE}-advertisement"
_PEELED = "^{}"


class Advertised:
    """Asks git servers. Close it; it keeps connections open between polls."""

    def __init__(self) -> None:
        self._clients = Clients(lambda of: new_async_client(credentials=of))

    async def commit(self, named: Reference, credentials: Credentials) -> str:
        """The commit that a revision is now; one request, none for a commit.

        :raises Terminal: ArtifactNotFound: no such repository or revision; ArtifactForbidden;
            GitUnknown: what answers there is no git server; CredentialsInvalid.
        :raises Unreachable: no answer in time.
        """
        if named.is_commit:
            return named.revision
        url = named.url(credentials)
        try:
            async with asyncio.timeout(_TOTAL_S):
                refs = parse(await self._ask(url, credentials), url=url)
        except TimeoutError:
            raise Unreachable(f"{url} did not answer within {_TOTAL_S:.0f} s") from None
        found = commit_in(refs, named.revision)
        if found is None:
            hint = "a commit is written with all of its 40 digits; " if named.revision else ""
            raise Terminal(
                ARTIFACT_NOT_FOUND,
                f"{url} has no {named.asked}: correct ?rev= in spec.artifact.uri, or push it"
                f" ({hint}without ?rev= it is the main branch)",
            )
        return found

    async def close(self) -> None:
        """Close what is open."""
        await self._clients.close()

    async def _ask(self, url: str, credentials: Credentials) -> bytes:
        address = f"{url}/info/refs?service={_SERVICE}"
        header = git_authorization(credentials)
        headers = {"authorization": header} if header else {}
        async with self._clients.of(credentials) as client:
            with explained(url):
                async with client.stream("GET", address, headers=headers) as response:
                    if response.status_code in (401, 403, 404):
                        raise _refused(url, response.status_code, credentials)
                    check_status(url, response.status_code, credentials)
                    if response.headers.get("content-type", "").partition(";")[0] != _TYPE:
                        raise _no_git(url)
                    received = bytearray()
                    async for chunk in response.aiter_raw(CHUNK):
                        received += chunk
                        if len(received) > _LIMIT_BYTES:
                            raise Terminal(
                                GIT_UNKNOWN, f"{url} has more branches and tags than can be read"
                            )
        return bytes(received)


def parse(answer: bytes, *, url: str) -> dict[str, str]:
    """Commits by the names of what a server advertises; of an annotated tag that which it is on.

    :raises Terminal: GitUnknown: it is no such answer.
    """
    found: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in _lines(answer, url=url):
        commit, _, name = line.partition(b"\0")[0].strip().partition(b" ")
        if not COMMIT.fullmatch(commit.decode(errors="replace")):
            continue  # the service's name, or a repository without commits
        text = name.decode(errors="replace")
        (peeled if text.endswith(_PEELED) else found)[text.removesuffix(_PEELED)] = commit.decode()
    return found | peeled


def commit_in(refs: dict[str, str], revision: str) -> str | None:
    """What a revision is among them, in git's own order: tags come before branches."""
    names = [f"refs/tags/{revision}", f"refs/heads/{revision}"] if revision else ["HEAD"]
    return next((refs[name] for name in names if name in refs), None)


def _lines(answer: bytes, *, url: str) -> Iterator[bytes]:
    """The packet lines: each has its length before it, in four hex digits that count themselves."""
    at = 0
    while at < len(answer):
        try:
            length = int(answer[at : at + 4], 16)
        except ValueError:
            raise _no_git(url) from None
        if length < 4:  # a flush between sections
            at += 4
            continue
        if at + length > len(answer):
            raise Unreachable(f"the answer of {url} broke off")
        yield answer[at + 4 : at + length]
        at += length


def _refused(url: str, status: int, credentials: Credentials) -> Terminal:
    """Forges answer 401 or 404 alike for what is not there and for what is private."""
    reason = ARTIFACT_NOT_FOUND if status == 404 else ARTIFACT_FORBIDDEN
    return Terminal(
        reason,
        f"{url} answers {status}: there is no such repository, or it is private: correct"
        f" spec.artifact.uri; else {credentials.hint()}",
    )


def _no_git(url: str) -> Terminal:
    return Terminal(
        GIT_UNKNOWN,
        f"what answers at {url} is no git server that speaks the smart protocol: correct"
        " spec.artifact.uri",
    )
