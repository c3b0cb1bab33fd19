"""What goes into the API server and what comes out: requests, answers, users, pod logs.

These types know nothing of HTTP libraries, so the server can be driven by a test, by an in-process
client or by the aiohttp front alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

# Every Kubernetes object is a plain JSON object here.
Obj = dict[str, Any]

ADMIN_TOKEN = "tidegate-admin"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True)
class User:
    """Who asks. Members of `system:masters` may do everything."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    known: bool = True
    """Whether `system:authenticated` is among the groups unsaid."""

    def all_groups(self) -> list[str]:
        """The groups with the one that everybody who is known belongs to."""
        if not self.known or AUTHENTICATED in self.groups:
            return list(self.groups)
        return [*self.groups, AUTHENTICATED]

    def as_info(self) -> Obj:
        """The user as reviews and webhooks see it (`userInfo`)."""
        info: Obj = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if groups := self.all_groups():
            info["groups"] = groups
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra}
        return info


ADMIN = User(name="admin", groups=(MASTERS,))
ANONYMOUS = User(name="system:anonymous", groups=("system:unauthenticated",), known=False)


@dataclass
class HttpRequest:
    """One request. `path` is decoded, `query` holds the last value of a repeated key.

    `headers` has lower-case names, and the values of a repeated `Impersonate-…` on lines of their
    own; `body` is complete (the front bounds its size).
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class HttpResponse:
    """One answer. A watch or a followed log has an iterator as its body, anything else bytes."""

    status: int
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes]


class LogProvider(Protocol):
    """Where the logs of pods come from: the node."""

    def read(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        previous: bool,
        timestamps: bool,
        since: float | None,
    ) -> AsyncIterator[bytes]:
        """Yield the log of a container in pieces, oldest first.

        `tail` counts lines from the end (None = all), `since` is in seconds before now. With
        `follow` it goes on until the container ends.

        :raises KubeError: when there is no such log (its status and message reach the client).
        """
        ...
