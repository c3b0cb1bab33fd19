"""Whether a backend's own servers can open an artifact, said before anything is started.

The backend fetches by itself, so Tidegate's cache and its check of the SHA-256 in the pod are not
there. Owns the words of refusals; what a backend can open is its own list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Collection

SCHEME_UNSUPPORTED = "SchemeUnsupported"
FORMAT_UNSUPPORTED = "FormatUnsupported"


@dataclass(frozen=True)
class Server:
    """The server for one format: its name in the backend, and how a file must be called that it
    finds (endings; empty for a folder)."""

    name: str
    endings: tuple[str, ...] = ()


def opened(location: str, *, uri: str, schemes: Collection[str], title: str) -> str:
    """Where the backend's initialiser fetches what `uri` was resolved to.

    A bucket that keeps versions is resolved to one of them, which no initialiser can ask for: it
    gets the object, whose content must not change then (`ArtifactMutable` says when it did).

    :raises Terminal: `SchemeUnsupported`.
    """
    scheme = urlsplit(location).scheme
    if scheme not in schemes:
        listed = ", ".join(f"{known}://" for known in sorted(schemes))
        raise Terminal(
            SCHEME_UNSUPPORTED,
            f"{title} fetches artifacts itself and cannot open {scheme}://: put the artifact where"
            f" it can ({listed}), or use backend: Native",
        )
    if location != place(location) and place(location) != uri:
        raise Terminal(
            SCHEME_UNSUPPORTED,
            f"{title} cannot open one version of an object, or an address with a query"
            f" ({_shown(location)}): put each version at a path of its own, or use backend: Native",
        )
    return place(location)


def place(location: str) -> str:
    """A location without the version of what lies there."""
    return urlsplit(location)._replace(query="", fragment="").geturl()


def _shown(location: str) -> str:
    """A place for people, without a user's name or password."""
    parts = urlsplit(place(location))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def served(location: str, *, format_: str, servers: dict[str, Server], title: str) -> str:
    """The name of the server for a format.

    :raises Terminal: `FormatUnsupported`: there is none, or it would not find the file.
    """
    server = servers.get(format_)
    if server is None:
        raise Terminal(
            FORMAT_UNSUPPORTED,
            f"{title} has no server for format {format_}: use {' or '.join(servers)}, or"
            " backend: Native",
        )
    file = urlsplit(location).path.rsplit("/", 1)[-1]
    if server.endings and not file.endswith(server.endings):
        raise Terminal(
            FORMAT_UNSUPPORTED,
            f"{title}'s server for {format_} looks for a file that ends in"
            f" {' or '.join(server.endings)}, and this is {file}: rename it",
        )
    return server.name
