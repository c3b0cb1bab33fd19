"""What an alias or a version of an artifact means, from a server's answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.wandb.manifest import ARTIFACT_INVALID
from tidegate.artifacts.wandb.reference import Place
from tidegate.artifacts.wandb.server import as_object, refusal
from tidegate.errors import Retryable, Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.wandb.reference import Reference
    from tidegate.artifacts.wandb.server import Answer, Server

VERSION_PENDING = "VersionPending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version: where it is, and W&B's digest of it."""

    place: Place
    digest: str

    @property
    def state(self) -> str:
        """A name that was deleted and made anew counts from 0 again; the digest tells them
        apart."""
        return f"{self.place.version} ({self.digest})"[:256]


def version_in(answer: Answer, *, server: Server, named: Reference, entity: str) -> Version:
    """The version that an answer to `queries.MEMBERSHIP` holds, asked for in `entity`.

    :raises Terminal: ArtifactNotFound, ArtifactInvalid, and as `refusal`.
    :raises Retryable: VersionPending, and as `refusal`.
    """
    what = f"artifact {named.shown}"
    if answer.at("project") is None:
        raise refusal(server, answer, what=f"project {entity}/{named.project}")
    membership = answer.at("project", "artifactCollectionMembership")
    if membership is None:
        raise refusal(server, answer, what=what)
    artifact = as_object(membership.get("artifact"))
    _check_state(artifact.get("state"), what=what)
    index = membership.get("versionIndex")
    index = artifact.get("versionIndex") if index is None else index
    if not isinstance(index, int) or not artifact.get("id"):
        raise Terminal(ARTIFACT_INVALID, f"{server.shown} has no version of {what}: log it anew")
    # A server may know it under other names: in other letters, or moved to a registry.
    collection = as_object(membership.get("artifactCollection"))
    project = as_object(collection.get("project"))
    return Version(
        place=Place(
            url=server.url,
            entity=str(as_object(project.get("entity")).get("name") or entity),
            project=str(project.get("name") or named.project),
            name=str(collection.get("name") or named.name),
            version=f"v{index}",
            id=str(artifact["id"]),
        ),
        digest=str(artifact.get("digest", "")),
    )


def _check_state(state: object, *, what: str) -> None:
    """:raises Retryable: VersionPending. :raises Terminal: ArtifactNotFound: it was deleted."""
    if state == "PENDING":
        raise Retryable(f"{what} is still being uploaded", reason=VERSION_PENDING)
    if state != "COMMITTED":
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{what} was deleted in W&B (its state is {state or 'unknown'}): log it again, or move"
            " the alias to a version that is there",
        )
