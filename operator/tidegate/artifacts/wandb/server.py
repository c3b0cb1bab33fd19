"""A W&B server over its GraphQL API: what is sent to it, and what its answers mean. Pure.

The same on both sides: `source.py` sends from the operator, `fetcher.py` from a pod. A redirect is
followed by neither, so that the key goes to no other server. Keys of the Secret: `WANDB_API_KEY`,
`WANDB_BASE_URL`, `ca.crt`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal, TidegateError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.artifacts.credentials import Credentials

CLOUD = "https://api.wandb.ai"
KEY, URL_KEY = "WANDB_API_KEY", "WANDB_BASE_URL"
REGISTRY_UNKNOWN = "RegistryUnknown"
MAX_ANSWER = 32 * 1024**2
"""Bytes of an answer: 5,000 signed addresses have about a thousand each."""
_FORBIDDEN = (
    "permission", "forbidden", "access denied", "have access", "unauthorized", "not authorized",
    "not allowed", "not logged in",
)  # fmt: skip
_MISSING = ("not found", "could not find", "does not exist", "no such")
_UNKNOWN = ("cannot query field", "unknown argument", "unknown type")
"""What the messages of GraphQL errors say, in lower case: there are no codes to go by."""

type Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """A W&B server: its address without a slash at its end, and how it knows us."""

    url: str
    credentials: Credentials

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc
        if wrong or parts.query or parts.fragment or "/artifacts/" in f"{parts.path}/":
            raise Terminal(
                REGISTRY_UNKNOWN,
                f"{shown(self.url)!r} is no address of a W&B server: set {URL_KEY} in the Secret"
                f" {self.credentials.name!r} to one like https://wandb.example",
            )

    @property
    def shown(self) -> str:
        """For messages."""
        return f"W&B at {shown(self.url)}"

    @property
    def endpoint(self) -> str:
        """The address that is asked."""
        return f"{self.url}/graphql"

    @property
    def headers(self) -> dict[str, str]:
        """What goes with each question; the key alone, and nothing where there is none."""
        key = self.credentials.get(KEY)
        if key is None:
            return {}
        login = base64.b64encode(f"api:{key}".encode()).decode()
        return {"authorization": f"Basic {login}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: `data`, and the errors that it had with parts of it."""

    data: Data
    errors: Sequence[Data]

    def at(self, *path: str) -> Data | None:
        """The object at a path of names; None where there is none."""
        found: object = self.data
        for name in path:
            found = as_object(found).get(name)
        return found if isinstance(found, dict) else None


def as_object(found: object) -> Data:
    """What a server says, where that is an object; an empty one otherwise."""
    return found if isinstance(found, dict) else {}


def as_objects(found: object) -> list[Data]:
    """The objects in a list that a server says; of anything else none."""
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def server_of(credentials: Credentials) -> Server:
    """The server that a Secret names, or else W&B's own.

    :raises Terminal: RegistryUnknown: it names none that could be.
    """
    return Server((credentials.get(URL_KEY) or CLOUD).rstrip("/"), credentials)


def question(query: str, variables: Mapping[str, object]) -> Data:
    """The JSON that is sent."""
    return {"query": query, "variables": dict(variables)}


def answered(server: Server, status: int, content: bytes, *, what: str) -> Answer:
    """What an answer to a question for `what` (words for messages) says.

    :raises Terminal: ArtifactForbidden, ArtifactNotFound, RegistryUnknown.
    :raises Unreachable: the server is in trouble or busy.
    """
    if status in (401, 403):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{server.shown} answers {status} when asked for {what}: {server.credentials.hint()}",
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(
            f"{server.shown} answers {status} when asked for {what}: it is in trouble or busy"
        )
    try:
        said = json.loads(content)
        data, errors = said.get("data") or {}, said.get("errors") or []
    except (ValueError, AttributeError, RecursionError):
        data, errors = None, None
    if not isinstance(data, dict) or not isinstance(errors, list) or not (data or errors):
        raise _no_server(server, f"answers {status} without an answer when asked for {what}")
    answer = Answer(data, as_objects(errors))
    if status != 200 or not data:
        raise refusal(server, answer, what=what)
    return answer


def refusal(server: Server, answer: Answer, *, what: str) -> TidegateError:
    """Why `what` is not in an answer, by the errors in it; ArtifactNotFound where there are none.
    What it does not say clearly is worth asking again."""
    said = " ".join(str(error.get("message", "")) for error in answer.errors)
    words, shown_ = said.lower(), " ".join(said.split())[:200]
    if any(word in words for word in _UNKNOWN):
        return _no_server(server, f"does not know what is asked for {what} ({shown_})")
    if any(word in words for word in _FORBIDDEN):
        hint = server.credentials.hint()
        return Terminal(ARTIFACT_FORBIDDEN, f"{server.shown} keeps {what} back ({shown_}): {hint}")
    if not answer.errors or any(word in words for word in _MISSING):
        who = "that this key may read" if server.credentials.get(KEY) else "that is public"
        return Terminal(
            ARTIFACT_NOT_FOUND,
            f"{server.shown} has no {what} {who}: correct spec.artifact.uri, log it, or have its"
            " project opened to whose key it is",
        )
    return Unreachable(f"{server.shown} could not answer for {what} ({shown_})")


def is_too_new(error: TidegateError) -> bool:
    """Whether a server refused a question because it does not know a field in it."""
    return isinstance(error, Terminal) and any(word in error.message.lower() for word in _UNKNOWN)


def is_about_origin(error: Data) -> bool:
    """Whether an error only says that who made a version is not for this key to see."""
    words = str(error.get("message", "")).lower()
    path = error.get("path")
    about = isinstance(path, list) and "createdBy" in path
    return about and any(word in words for word in (*_FORBIDDEN, *_MISSING))


def check_address(server: Server, address: object, *, what: str) -> str:
    """The address that a server gives for a file, which is told no key.

    :raises Terminal: ArtifactNotFound: it gives none. ArtifactForbidden: it leads out of https.
    """
    if not isinstance(address, str) or scheme_of(address) not in ("http", "https"):
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{server.shown} gives no address for {what}: its file is gone; log it anew",
        )
    if scheme_of(server.url) == "https" and scheme_of(address) != "https":
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{server.shown} leads from https to {shown(address)} for {what}: have its store"
            " served over https",
        )
    return address


def refused_address(server: Server, address: str) -> Unreachable:
    """Why a file is not had from an address that was signed just now."""
    return Unreachable(
        f"{shown(address)}, the store of {server.shown}, refuses an address that was signed just"
        " now: compare the clocks, and see whether the store may be read from here"
    )


def next_page(answer: Answer) -> tuple[dict[str, object], str | None] | None:
    """Addresses of files by path in an answer to `queries.FILES`, and where the list goes on (None
    where it ends); None where the version is not there any more."""
    files = answer.at("project", "artifactCollection", "artifactMembership", "files")
    if files is None:
        return None
    nodes = [as_object(edge.get("node")) for edge in as_objects(files.get("edges"))]
    page = as_object(files.get("pageInfo"))
    cursor = str(page.get("endCursor")) if page.get("hasNextPage") else None
    return {str(node.get("name")): node.get("directUrl") for node in nodes}, cursor


def _no_server(server: Server, why: str) -> Terminal:
    return Terminal(
        REGISTRY_UNKNOWN,
        f"{server.shown} {why}: check that {URL_KEY} in the Secret is the address of a W&B server"
        " itself, without a page to log in before it, and that the server is no older than the"
        " package wandb 0.31 takes",
    )
