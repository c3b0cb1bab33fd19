"""The further users of a cluster: a file that people add to, and the API server reads.

A user's token is derived from their name and the administrator's token; the file says which of
these count. It is read again when it changed, so nobody has to restart anything.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import orjson

from tidegate.errors import Terminal
from tidegate.local.apiserver import User
from tidegate.local.cluster.state import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def derived(secret: str, purpose: str) -> str:
    """A secret of its own for one purpose; who knows it cannot tell the other."""
    return hmac.new(secret.encode(), purpose.encode(), "sha256").hexdigest()


class UserFile:
    """The users in one file."""

    def __init__(self, path: Path, *, secret: str) -> None:
        """`secret` is the administrator's token."""
        self._path = path
        self._secret = secret
        self._read_at = (0, 0)
        self._users: dict[str, User] = {}

    def add(self, name: str, groups: Sequence[str]) -> str:
        """Let a user in, with these groups from now on; returns their token.

        Raises Terminal(InvalidUser) for a name that cannot stand in a header.
        """
        if not name.strip() or not name.isprintable():
            raise Terminal("InvalidUser", f"{name!r} is no name of a user")
        document = self._document()
        document[name] = {"groups": list(groups)}
        write_private(self._path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return self._token(name)

    def find(self, token: str) -> User | None:
        """The user of a token, or None. Raises Terminal(UsersUnreadable)."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._read_at:
            self._users = {
                self._token(name): User(name, tuple(entry["groups"]))
                for name, entry in self._document().items()
            }
            self._read_at = stamp
        return self._users.get(token)

    def _token(self, name: str) -> str:
        return derived(self._secret, f"user {name}")

    def _document(self) -> dict[str, dict[str, list[str]]]:
        try:
            found: dict[str, dict[str, list[str]]] = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except orjson.JSONDecodeError as error:
            raise Terminal(
                "UsersUnreadable", f"{self._path} is no JSON ({error}); mend or remove it"
            ) from error
        return found
