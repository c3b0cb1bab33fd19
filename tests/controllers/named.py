"""What tests say and look at by name: revisions, failures as our own pods leave them, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controllers.site import NAME, NAMESPACE, SETTINGS, model, sha

from tidegate.api.model import ModelSpec
from tidegate.domain.revision import digest, identity, revision_name
from tidegate.errors import Terminal
from tidegate.serving.failure import termination_line

if TYPE_CHECKING:
    from tests.controllers.site import Site

    from tidegate.kube.resources import Resource


def revision_of(uri: str, **spec: Any) -> str:
    """The name of the revision that a Model with this artifact will get."""
    parsed = ModelSpec.model_validate(model(uri, **spec)["spec"])
    of = digest(identity(parsed, sha256=sha(uri), image=SETTINGS.runtime_v2_image))
    return revision_name(NAME, of)


def break_pods(site: Site, revision: str, reason: str, message: str, *, init: bool = False) -> None:
    """Let the pods of a revision end as `fetch` or the server does, with the line they leave."""
    line = termination_line(Terminal(reason, message))
    container = "fetch" if init else "server"
    site.harness.world.fail(revision, message=f"log\n{line}\n", container=container, init=init)


def direct(uri: str, **spec: Any) -> dict[str, Any]:
    """A Model with `delivery: Direct`."""
    return model(uri, delivery="Direct", **spec)


async def traffic(site: Site) -> dict[str, int]:
    """The live route's weights above 0; a revision at 0 only keeps its endpoints there."""
    return {name: weight for name, weight in (await site.weights()).items() if weight > 0}


async def stored(site: Site, res: Resource, name: str = NAME) -> dict[str, Any]:
    """An object as the API server has it."""
    return await site.kube.user.get(res, name, namespace=NAMESPACE)


async def until_weight(site: Site, revision: str, weight: int) -> None:
    """Let time pass until the live route gives a revision this weight."""
    for _ in range(300):
        if (await site.weights()).get(revision) == weight:
            return
        await site.pass_time(seconds=1)
    raise AssertionError(await site.weights())
