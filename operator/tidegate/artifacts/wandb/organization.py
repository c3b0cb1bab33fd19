"""Which entity holds the registries of an organization.

People write an organization by the name it shows; its registries belong to an entity that may be
called otherwise. W&B tells it to members, by way of their own entity, as its client asks too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.wandb import queries
from tidegate.artifacts.wandb.server import KEY, Answer, as_object, as_objects, refusal
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.wandb.asking import Asking


async def entity_of(asking: Asking, organization: str) -> str:
    """The entity of an organization that is named by its name or by that entity's; two requests.

    :raises Terminal: ArtifactNotFound: whose key it is, is in no such organization.
    """
    what = f"organization {organization}"
    viewer = (await asking.ask(queries.VIEWER, what=what)).at("viewer")
    if viewer is None or not viewer.get("entity"):
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{asking.server.shown} has no {what} for this key: a registry needs {KEY} of a member"
            " of its organization in the Secret of spec.artifact.credentialsRef",
        )
    answer = await asking.ask(queries.ORGANIZATIONS, what=what, entity=str(viewer["entity"]))
    if answer.at("entity") is None:
        raise refusal(asking.server, answer, what=what)
    known = organizations(answer)
    for name, entity in known:
        if organization in (name, entity):
            return entity
    named = ", ".join(name for name, _ in known[:5]) or "none"
    raise Terminal(
        ARTIFACT_NOT_FOUND,
        f"{viewer['entity']}, whose key it is, is in no {what} (but in: {named}): correct"
        " spec.artifact.uri, or use a key of a member",
    )


def organizations(answer: Answer) -> list[tuple[str, str]]:
    """The organizations in an answer to `queries.ORGANIZATIONS`, each with its entity."""
    user = answer.at("entity", "user") or {}
    found = [
        answer.at("entity", "organization") or {},
        *as_objects(user.get("organizations")),
    ]
    named = [(one.get("name"), as_object(one.get("orgEntity")).get("name")) for one in found]
    return [(str(name), str(entity)) for name, entity in named if name and entity]
