"""Asking the source of a Model's artifact: when, and what for.

A moving reference is asked by its interval, a pinned one once; a hint has it asked now. What it
means, and what becomes of that, is the Model controller's. What was found last is kept in memory,
so that an unchanged artifact is cheap; after a restart status tells it of a store's artifact, and a
registry's is resolved anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tidegate.artifacts.base import Resolved as Found
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.uri import scheme_of
from tidegate.controllers.credentials import credentials_of
from tidegate.domain.times import moment
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import name_of, namespace_of, uid_of

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object

REFUSED_S = 9.0
"""How long an error stands; less than the Model controller waits before it looks again."""
JITTER = 0.2
"""By how much of its interval a poll may come early."""

_STORES = frozenset({"file", "http", "https", "s3", "gs", "az", "azure", "oci"})
"""Schemes whose sources know no more of an artifact than its content."""

type _Asked = tuple[str, Artifact]
"""Which object (uid) asks for what."""


class Resolver(Protocol):
    """Turns an artifact's URI into an immutable version of it."""

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Found | None,
        credentials: Credentials = NO_CREDENTIALS,
        format: str = "",
    ) -> Found:
        """The version behind a URI. `previous` is what was found last, so that an unchanged one is
        cheap. `format` tells which file of a registry's version is meant.

        :raises Terminal: it will not work until somebody changes something.
        :raises Retryable: the source did not answer.
        """
        ...


@dataclass(frozen=True)
class _Seen:
    """What was asked of an artifact's source last, and when to ask again (monotonic seconds)."""

    asked: _Asked
    due: float
    found: Found


@dataclass(frozen=True)
class _Refused:
    """Why a source could not be asked with success, and until when nobody asks it again."""

    asked: _Asked
    until: float
    error: Terminal | Retryable


class Polling:
    """What stands behind the URIs of Models."""

    def __init__(self, client: Client, clock: Clock, resolver: Resolver) -> None:
        self._client = client
        self._clock = clock
        self._resolver = resolver
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._refused: dict[tuple[str, str], _Refused] = {}

    async def resolve(self, obj: Object, artifact: Artifact) -> Found:
        """What stands behind a Model's URI: as it was found last, or asked anew when that is due.
        A pinned artifact is asked for once. An error stands for a while: every change of a pod
        leads here, and a slow registry must not hold up what serves.

        :raises Terminal, Retryable: as `Resolver.resolve`, and for the Secret.
        """
        key, asked, now = _key(obj), (uid_of(obj), artifact), self._clock.monotonic()
        refused = self._refused.get(key)
        if refused is not None and refused.asked == asked and now < refused.until:
            raise refused.error
        seen = self._seen.get(key)
        previous = None
        if seen is not None and seen.asked == asked:
            if artifact.sha256 is not None or now < seen.due:
                return seen.found
            previous = seen.found
        else:
            previous = remembered(obj, artifact)
        try:
            found = await self._ask(obj, artifact, previous)
        except (Terminal, Retryable) as error:
            until = self._clock.monotonic() + REFUSED_S
            self._refused[key] = _Refused(asked, until, error)
            raise
        self._refused.pop(key, None)
        due = now + jittered(artifact.poll_interval.total_seconds())
        self._seen[key] = _Seen(asked, due, found)
        return found

    async def _ask(self, obj: Object, artifact: Artifact, previous: Found | None) -> Found:
        credentials = await credentials_of(
            artifact, namespace=str(namespace_of(obj)), client=self._client
        )
        return await self._resolver.resolve(
            artifact.uri,
            sha256=artifact.sha256,
            previous=previous,
            credentials=credentials,
            format=artifact.format,
        )

    def again_s(self, obj: Object) -> float:
        """Seconds until a Model's artifact is asked for again; 0 where it never was."""
        seen = self._seen.get(_key(obj))
        return 0.0 if seen is None else max(0.0, seen.due - self._clock.monotonic())

    def hint(self, namespace: str, name: str) -> None:
        """Have the next look at a Model ask its source, due or not."""
        self._refused.pop((namespace, name), None)
        seen = self._seen.get((namespace, name))
        if seen is not None:
            self._seen[namespace, name] = replace(seen, due=self._clock.monotonic())

    def forget(self, namespace: str, name: str) -> None:
        """The Model is gone."""
        self._seen.pop((namespace, name), None)
        self._refused.pop((namespace, name), None)


def remembered(obj: Object, artifact: Artifact) -> Found | None:
    """What a Model's status says of the artifact of a store, so that what is unchanged is not read
    anew by an operator that has just begun. What a registry knows of a version is not in status, so
    there is nothing of those."""
    said = obj.get("status", {}).get("resolved")
    scheme = scheme_of(artifact.uri)
    if not said or scheme not in _STORES or scheme_of(str(said["location"])) != scheme:
        return None
    return Found(
        version=said["version"],
        location=said["location"],
        sha256=said["sha256"],
        size=said["size"],
        at=moment(said["at"]),
        kind=said.get("kind", "file"),
        immutable=said.get("immutable", False),
    )


def jittered(seconds: float) -> float:
    """At most `seconds`, a little less each time: a thousand Models that were made at once do not
    go on asking one registry at once."""
    return seconds * random.uniform(1 - JITTER, 1)


def _key(obj: Object) -> tuple[str, str]:
    return str(namespace_of(obj)), name_of(obj)
