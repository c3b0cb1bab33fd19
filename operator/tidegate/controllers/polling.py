"""Asking the source of a Model's artifact: when, and what for.

A moving reference is asked by its interval, a pinned one once; a hint has it asked now. What it
means, and what becomes of that, is the Model controller's. What was found last is kept in memory,
so that an unchanged artifact is cheap; after a restart status tells it of a store's artifact, and a
registry's is resolved anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.artifacts.base import Resolved as Found
from tidegate.artifacts.uri import scheme_of
from tidegate.controllers.inspecting import INSPECTING
from tidegate.controllers.resolving import Resolving
from tidegate.domain.times import moment
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import name_of, namespace_of, owner_reference, uid_of
from tidegate.specs.metadata import Parent

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.controllers.credentials import Secrets
    from tidegate.controllers.inspecting import Inspections
    from tidegate.controllers.resolving import Resolver
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

    def __init__(
        self,
        secrets: Secrets,
        clock: Clock,
        resolver: Resolver,
        inspections: Inspections | None = None,
    ) -> None:
        self._clock = clock
        self._resolving = Resolving(secrets, resolver, inspections)
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
        parent = Parent(name_of(obj), str(namespace_of(obj)), owner_reference(obj))
        try:
            found = await self._resolving.ask(parent, artifact, previous=previous)
        except (Terminal, Retryable) as error:
            if error.reason == INSPECTING:  # the Job's end is to be seen at once
                raise
            until = self._clock.monotonic() + REFUSED_S
            self._refused[key] = _Refused(asked, until, error)
            raise
        self._refused.pop(key, None)
        due = now + jittered(artifact.poll_interval.total_seconds())
        self._seen[key] = _Seen(asked, due, found)
        return found

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
