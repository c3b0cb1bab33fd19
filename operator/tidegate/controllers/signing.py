"""Checking that an artifact is signed by a key of the Model's, before a revision is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.artifacts.signature_file import SIGNING_UNSUPPORTED, read_signature
from tidegate.controllers.credentials import credentials_of
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import name_of, namespace_of

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object

REFUSED_S = 9.0
"""How long an error stands: every change of a pod leads here."""


@dataclass(frozen=True)
class _Refused:
    """Why what was asked is not signed, and until when (monotonic) nobody looks again."""

    asked: tuple[str, Artifact]
    until: float
    error: Terminal | Retryable


@dataclass
class Signing:
    """Reads and checks signatures."""

    client: Client
    clock: Clock
    _refused: dict[tuple[str, str], _Refused] = field(default_factory=dict)
    _held: dict[tuple[str, str], tuple[str, Artifact]] = field(default_factory=dict)
    """By Model what was found to be signed, so that it is read once."""

    async def check(self, obj: Object, artifact: Artifact, found: Found) -> None:
        """Check an artifact's signature, where the Model asks for one.

        :raises Terminal, Retryable: as `read_signature` and `check_signed`.
        """
        key, asked = (str(namespace_of(obj)), name_of(obj)), (found.sha256, artifact)
        if artifact.signed_by is None or self._held.get(key) == asked:
            return
        refused, now = self._refused.get(key), self.clock.monotonic()
        if refused is not None and refused.asked == asked and now < refused.until:
            raise refused.error
        try:
            await self._check(key[0], artifact, found)
        except (Terminal, Retryable) as error:
            self._refused[key] = _Refused(asked, self.clock.monotonic() + REFUSED_S, error)
            raise
        self._refused.pop(key, None)
        self._held[key] = asked

    def forget(self, namespace: str, name: str) -> None:
        """The Model is gone."""
        self._refused.pop((namespace, name), None)
        self._held.pop((namespace, name), None)

    async def _check(self, namespace: str, artifact: Artifact, found: Found) -> None:
        assert artifact.signed_by is not None, "asked for"
        if found.kind != "file":
            raise Terminal(
                SIGNING_UNSUPPORTED,
                "spec.artifact.signedBy is for single files, and this is a folder; name a file in"
                " it, or remove signedBy",
            )
        registered = artifact.uri.startswith("models:/")
        credentials = await credentials_of(artifact, namespace=namespace, client=self.client)
        bundle = await read_signature(found.location if registered else artifact.uri, credentials)
        # Late: most operators check no signatures, and this costs 6 MB.
        from tidegate.domain.model_signing import check_signed

        check_signed(bundle, public_keys=artifact.signed_by.public_keys, sha256=found.sha256)
