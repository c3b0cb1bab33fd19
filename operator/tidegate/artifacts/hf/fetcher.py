"""Fetches files and folders of a repository on a Hugging Face hub, in a model pod.

A location is the address of the hub's `resolve` route at a commit, with `hf+` before its scheme.
The hub redirects large files to a store of its own; the token does not go there.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidegate.artifacts.answers import answer, json_of
from tidegate.artifacts.base import ARTIFACT_FORBIDDEN
from tidegate.artifacts.fetching import Entry
from tidegate.artifacts.hf.reference import PREFIX, authorization, located
from tidegate.artifacts.tree import MAX_FILES, check_path, too_many
from tidegate.artifacts.uri import shown
from tidegate.artifacts.web import check_status, explained, new_client, open_url
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Stream
    from tidegate.artifacts.hf.reference import Reference


class HfFetcher:
    """Fetches from hubs."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        """See `Fetcher`."""
        with (
            new_client(credentials=self._credentials) as client,
            open_url(
                located(location)[0],
                offset=offset,
                client=client,
                headers=authorization(self._credentials),
                credentials=self._credentials,
            ) as stream,
        ):
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        """See `Fetcher`: as the hub lists them, page after page."""
        _, hub, named = located(location)
        found: list[Entry] = []
        url: str | None = listing_address(hub, named, named.revision)
        with new_client(credentials=self._credentials) as client:
            while url is not None:
                with explained(url):
                    page = answer(client, url, headers=authorization(self._credentials))
                check_status(url, page.status_code, self._credentials)
                for path, size, _ in listed(json_of(page), below=named.path):
                    at = f"{PREFIX}{hub}/{named.repository}/resolve/{named.revision}"
                    whole = quote(named.path + path)
                    found.append(Entry(path=path, location=f"{at}/{whole}", size=size))
                if len(found) > MAX_FILES:
                    raise too_many(shown(location), limit=MAX_FILES)
                url = next_page(page, hub)
        return found


def next_page(page: httpx.Response, hub: str) -> str | None:
    """Where a list goes on, None where it ends.

    :raises Terminal: ArtifactForbidden: on another server, which would be told the token.
    """
    url: str | None = page.links.get("next", {}).get("url")
    if url is None or (url.startswith(f"{hub}/") and url != str(page.request.url)):
        return url
    raise Terminal(
        ARTIFACT_FORBIDDEN,
        f"{shown(hub)} says that a list goes on at {shown(url)}, which is no page of it: name the"
        " hub itself, not one that stands before it",
    )


def listing_address(hub: str, named: Reference, commit: str) -> str:
    """Where the hub lists the files of a folder at a commit."""
    folder = quote(named.path.rstrip("/"))
    below = f"/{folder}" if folder else ""
    return f"{hub}/api/models/{named.repository}/tree/{commit}{below}?recursive=true"


def listed(said: Any, *, below: str) -> list[tuple[str, int, str | None]]:
    """Path below a folder, size in bytes, and SHA-256 where the hub knows it (large files, kept in
    LFS), of each file of a page. `below` is the folder with a slash at its end, or empty."""
    found = []
    for entry in said if isinstance(said, list) else []:
        if not isinstance(entry, dict) or entry.get("type") != "file":
            continue
        path = check_path(str(entry.get("path", "")).removeprefix(below))
        size, large = entry.get("size"), entry.get("lfs")
        sha256 = large.get("oid") if isinstance(large, dict) else None
        found.append(
            (path, size if isinstance(size, int) else 0, None if sha256 is None else str(sha256))
        )
    return found
