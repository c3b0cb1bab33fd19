"""Fetches files and whole versions of a W&B artifact, in a model pod.

The server is asked for addresses, which are signed for a short time and need no key; one that has
ended is asked for anew. What comes is decided by its SHA-256, as everywhere.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN
from tidegate.artifacts.fetching import Entry
from tidegate.artifacts.in_time import in_time
from tidegate.artifacts.tree import MAX_FILES, too_many
from tidegate.artifacts.wandb import queries
from tidegate.artifacts.wandb.manifest import MAX_BYTES, choose, parse_manifest
from tidegate.artifacts.wandb.reference import Place, placed
from tidegate.artifacts.wandb.server import (
    MAX_ANSWER,
    Answer,
    Server,
    answered,
    check_address,
    next_page,
    question,
    refusal,
    refused_address,
)
from tidegate.artifacts.web import check_status, explained, new_client, open_url
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Stream


TOTAL_S = 60.0
"""Seconds for all of an answer about files; those themselves have their caller's deadline."""


class WandbFetcher:
    """Fetches from W&B servers. Addresses that came with a list are used once."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._addresses: dict[str, str] = {}

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        """See `Fetcher`."""
        place = placed(location)
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(new_client(credentials=self._credentials))
            yield self._begun(stack, client, place, offset=offset)

    def files(self, location: str) -> Iterable[Entry]:
        """See `Fetcher`: as the artifact's manifest lists them."""
        place = placed(location)
        server, what = Server(place.url, self._credentials), shown_of(place)
        with new_client(credentials=self._credentials) as client:
            answer = _ask(client, server, queries.MANIFEST, what=what, id=place.id)
            told = answer.at("artifact", "currentManifest", "file")
            if told is None:
                raise refusal(server, answer, what=what)
            address = check_address(server, told.get("directUrl"), what=f"the files of {what}")
            listed = parse_manifest(_read(client, server, address), what=what)
            chosen = choose(listed, path=place.path, format="custom", what=what)
            self._addresses = self._listed(client, server, place)
        return [
            Entry(
                path=file.path.removeprefix(chosen.path),
                location=_below(place, file.path).location,
                size=file.size,
            )
            for file in chosen.files
        ]

    def _begun(
        self, stack: contextlib.ExitStack, client: httpx.Client, place: Place, *, offset: int
    ) -> Stream:
        """The stream of one file, at an address that is known, or asked for."""
        known = self._addresses.pop(place.path, None)
        if known is not None:
            # Any refusal: the signature ended, and stores answer 400, 403 or 404 for that.
            with contextlib.suppress(Terminal):
                return stack.enter_context(open_url(known, offset=offset, client=client))
        address = self._address(client, place)
        try:
            return stack.enter_context(open_url(address, offset=offset, client=client))
        except Terminal as error:
            if error.reason != ARTIFACT_FORBIDDEN:
                raise
            raise refused_address(Server(place.url, self._credentials), address) from None

    def _address(self, client: httpx.Client, place: Place) -> str:
        """A fresh address of one file."""
        server, what = Server(place.url, self._credentials), f"{place.path} of {shown_of(place)}"
        answer = _ask(
            client, server, queries.FILES, what=what, **_named(place), names=[place.path],
            cursor=None, perPage=1,
        )  # fmt: skip
        page = next_page(answer)
        if page is None or place.path not in page[0]:
            raise refusal(server, answer, what=what)
        return check_address(server, page[0][place.path], what=what)

    def _listed(self, client: httpx.Client, server: Server, place: Place) -> dict[str, str]:
        """Addresses of all files of a version, by path."""
        found: dict[str, str] = {}
        cursor: str | None = ""
        what = shown_of(place)
        while cursor is not None:
            answer = _ask(
                client, server, queries.FILES, what=what, **_named(place), names=None,
                cursor=cursor or None, perPage=queries.FILES_A_PAGE,
            )  # fmt: skip
            page = next_page(answer)
            if page is None:
                raise refusal(server, answer, what=what)
            before, (addresses, cursor) = len(found), page
            for path, address in addresses.items():
                found[path] = check_address(server, address, what=f"{path} of {what}")
            if len(found) > MAX_FILES or (cursor is not None and len(found) == before):
                raise too_many(what, limit=MAX_FILES)
        return found


def shown_of(place: Place) -> str:
    """A version for messages, as W&B writes it."""
    return f"{place.entity}/{place.project}/{place.name}:{place.version}"


def _named(place: Place) -> dict[str, object]:
    return {
        "entity": place.entity,
        "project": place.project,
        "collection": place.name,
        "alias": place.version,
    }


def _below(place: Place, path: str) -> Place:
    return replace(place, path=path)


def _ask(
    client: httpx.Client, server: Server, query: str, *, what: str, **variables: object
) -> Answer:
    """One question. A redirect is no answer, so the key goes nowhere else."""
    with (
        explained(server.endpoint),
        client.stream(
            "POST", server.endpoint, json=question(query, variables), headers=server.headers,
            follow_redirects=False,
        ) as response,
    ):  # fmt: skip
        content = _gathered(response, server, most=MAX_ANSWER)
    return answered(server, response.status_code, content, what=what)


def _read(client: httpx.Client, server: Server, address: str) -> bytes:
    """A manifest."""
    with explained(address), client.stream("GET", address) as response:
        if response.status_code in (401, 403):
            raise refused_address(server, address)
        check_status(address, response.status_code)
        return _gathered(response, server, most=MAX_BYTES)


def _gathered(response: httpx.Response, server: Server, *, most: int) -> bytes:
    """The whole of what a server says about files, of which there is little, and in time."""
    content, until = bytearray(), time.monotonic() + TOTAL_S
    for chunk in in_time(response.iter_raw()):
        content += chunk
        if len(content) > most or time.monotonic() > until:
            raise Unreachable(
                f"{server.shown} says more than {most} bytes about files, or does not say it within"
                f" {TOTAL_S:.0f} s: see whether it is overloaded"
            )
    return bytes(content)
