"""Looking at what an artifact holds, before a revision is made of it: no pickle that is not allowed
by name, and signed by a key of the Model's where it names some."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.artifacts.inside import check_no_pickle, is_seen
from tidegate.artifacts.signature_file import read_signature
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import name_of, namespace_of

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.artifacts.credentials import Credentials
    from tidegate.controllers.credentials import Secrets
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object

REFUSED_S = 9.0
"""How long an error stands: every change of a pod leads here."""

type _Asked = tuple[str, Artifact, bool]
"""The sha256 of what was found, for what, and whether no revision was made of it yet."""


@dataclass(frozen=True)
class _Refused:
    """Why what was asked is refused, and until when (monotonic) nobody looks again."""

    asked: _Asked
    until: float
    error: Terminal | Retryable


@dataclass
class Vetting:
    """Checks artifacts, each once."""

    secrets: Secrets
    clock: Clock
    _refused: dict[tuple[str, str], _Refused] = field(default_factory=dict)
    _held: dict[tuple[str, str], _Asked] = field(default_factory=dict)
    """By Model what was found to be in order, so that it is read once."""

    async def check(self, obj: Object, artifact: Artifact, found: Found, *, new: bool) -> None:
        """Check what a Model's artifact holds. Where it is not `new`, a revision was made of it
        before, and only its signature is looked at: other keys may be asked for since.

        :raises Terminal, Retryable: as `check_format`, `read_signature` and `check_signed_tree`.
        """
        key, asked = (str(namespace_of(obj)), name_of(obj)), (found.sha256, artifact, new)
        if self._held.get(key) == asked:
            return
        refused, now = self._refused.get(key), self.clock.monotonic()
        if refused is not None and refused.asked == asked and now < refused.until:
            raise refused.error
        try:
            await self._check(key[0], artifact, found, new=new)
        except (Terminal, Retryable) as error:
            self._refused[key] = _Refused(asked, self.clock.monotonic() + REFUSED_S, error)
            raise
        self._refused.pop(key, None)
        self._held[key] = asked

    def forget(self, namespace: str, name: str) -> None:
        """The Model is gone."""
        self._refused.pop((namespace, name), None)
        self._held.pop((namespace, name), None)

    async def _check(self, namespace: str, artifact: Artifact, found: Found, *, new: bool) -> None:
        look = new and is_to_be_seen(artifact, found)
        if not look and artifact.signed_by is None:
            return
        credentials = await self.secrets.of(artifact, namespace=namespace)
        if look:
            await check_format(artifact, found, credentials)
        if artifact.signed_by is not None:
            await _check_signed(artifact, found, credentials)


def is_to_be_seen(artifact: Artifact, found: Found) -> bool:
    """Whether `check_format` would look at the artifact."""
    return artifact.format == "mlflow" and not artifact.allow_pickle and found.kind == "tree"


async def check_format(artifact: Artifact, found: Found, credentials: Credentials) -> None:
    """Check that an artifact is stored in no unsafe way that its Model does not allow by name.

    :raises Terminal: FormatUnsafe. What the source raises. :raises Unreachable: no answer in time.
    """
    if is_to_be_seen(artifact, found):
        await check_no_pickle(found, credentials)


async def _check_signed(artifact: Artifact, found: Found, credentials: Credentials) -> None:
    """What only a pod can see is checked by its init container, which is told the signers."""
    assert artifact.signed_by is not None, "asked for"
    if not is_seen(found.location):
        return
    # Late: most operators check no signatures, and this costs 6 MB.
    from tidegate.artifacts.signed_tree import check_signed_tree
    from tidegate.domain.model_signing import check_file, signed
    from tidegate.domain.signers import Signers

    signers = Signers(artifact.signed_by.public_keys, artifact.signed_by.certificate_authorities)
    if found.kind == "tree":
        await check_signed_tree(found, signers, credentials)
        return
    # A store's location may be that of one version, which no signature beside it is of.
    elsewhere = artifact.uri.startswith(("models:/", "hf://", "wandb://"))
    bundle = await read_signature(found.location if elsewhere else artifact.uri, credentials)
    check_file(signed(bundle, signers=signers), sha256=found.sha256)
