"""Fetches what lies behind an MLflow server (`mlflow-artifacts:`), in a model pod.

A location is the address of a file or folder below the server's artifact API, with `mlflow+`
before its scheme: `mlflow+https://host/api/2.0/mlflow-artifacts/artifacts/1/models/m-…/artifacts`.
Knows nothing of names and versions: they were resolved before.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from tidegate.artifacts.answers import answer, json_of
from tidegate.artifacts.fetching import Entry
from tidegate.artifacts.mlflow.access import authorization
from tidegate.artifacts.tree import MAX_FILES, check_path, too_many
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.artifacts.web import check_status, explained, new_client, open_url
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Stream

PREFIX = "mlflow+"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


def location_of(server: str, path: str) -> str:
    """Where the artifact API of the server at the address `server` has `path`."""
    return f"{PREFIX}{server.rstrip('/')}{ARTIFACTS}/{quote(path)}"


def address_of(location: str) -> str:
    """The http(s) address of a location. :raises Terminal: UriInvalid: it is none of ours."""
    address = location.removeprefix(PREFIX)
    if address == location or ARTIFACTS + "/" not in address:
        raise Terminal(
            URI_INVALID, f"{shown(location)} is no place behind an MLflow server: use models:/"
        )
    return address


class MlflowFetcher:
    """Fetches from the artifact API of MLflow servers."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        """See `Fetcher`."""
        with (
            new_client(credentials=self._credentials) as client,
            open_url(
                address_of(location),
                offset=offset,
                client=client,
                headers=authorization(self._credentials),
                credentials=self._credentials,
            ) as stream,
        ):
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        """See `Fetcher`: folder after folder, as the server lists them."""
        before, _, root = address_of(location).partition(ARTIFACTS + "/")
        waiting, found = [""], []
        with new_client(credentials=self._credentials) as client:
            while waiting:
                below = waiting.pop()
                folder = "/".join(part for part in (unquote(root), below) if part)
                address = f"{before}{ARTIFACTS}"
                with explained(address):
                    said = answer(
                        client, address,
                        params={"path": folder}, headers=authorization(self._credentials),
                    )  # fmt: skip
                check_status(address, said.status_code, self._credentials)
                for name, size, is_folder in listed(json_of(said)):
                    path = f"{below}/{name}" if below else name
                    if is_folder:
                        waiting.append(check_path(path))
                    else:
                        here = f"{location.rstrip('/')}/{quote(path)}"
                        found.append(Entry(path=check_path(path), location=here, size=size))
                if len(found) + len(waiting) > MAX_FILES:
                    raise too_many(shown(location), limit=MAX_FILES)
        return found


def listed(said: Any) -> list[tuple[str, int | None, bool]]:
    """Names in one folder with their size in bytes, and whether each is a folder.

    MLflow says paths below the folder that was asked for; only the last name counts.
    """
    found = []
    files = said.get("files") if isinstance(said, dict) else None
    for entry in files if isinstance(files, list) else []:
        if not isinstance(entry, dict):
            continue
        name = str(entry.get("path", "")).rstrip("/").rpartition("/")[2]
        size = str(entry.get("file_size"))  # a number, or one in quotes
        found.append((name, int(size) if size.isdecimal() else None, bool(entry.get("is_dir"))))
    return found
