"""Asking for an artifact with the Secret that it names: its source, or a Job where that is needed.

Knows when neither; that is for `polling.py` and `arms.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.dvc.reference import SCHEME as DVC
from tidegate.artifacts.uri import scheme_of

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.controllers.credentials import Secrets
    from tidegate.controllers.inspecting import Inspections
    from tidegate.specs.metadata import Parent


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
class Resolving:
    """Asks for the artifacts of Models and of arms; without `inspections` nothing in Jobs."""

    secrets: Secrets
    resolver: Resolver
    inspections: Inspections | None = None

    async def ask(self, parent: Parent, artifact: Artifact, *, previous: Found | None) -> Found:
        """What stands behind an artifact's URI. `previous` is what was found last.

        :raises Terminal, Retryable: as `Resolver.resolve` and `Inspections.resolve`, and for the
            Secret.
        """
        credentials = await self.credentials(parent, artifact)
        if self.inspections is not None and scheme_of(artifact.uri) == DVC:
            found = await self.inspections.resolve(
                parent, artifact, previous=previous, credentials=credentials
            )
        else:
            found = await self.resolver.resolve(
                artifact.uri,
                sha256=artifact.sha256,
                previous=previous,
                credentials=credentials,
                format=artifact.format,
            )
        self.secrets.check(found.location, credentials)
        return found

    async def credentials(self, parent: Parent, artifact: Artifact) -> Credentials:
        """What the Secret that an artifact names says. Raises as `Secrets.of`."""
        return await self.secrets.of(artifact, namespace=parent.namespace)
