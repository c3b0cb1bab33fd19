"""The revisions that a Rollout's strategy asks for: arms with an artifact of their own, and twins.

The Model controller makes them and says in `Model.status.arms` what became of each; the delivery
reads that and decides whether they get pods. They are never the Model's latest revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.api.model_status import ArmRevision
from tidegate.api.rollout import RolloutSpec
from tidegate.artifacts.uri import same_server
from tidegate.controllers.acting import Acting
from tidegate.controllers.revisions import digest_of
from tidegate.controllers.vetting import check_format, is_to_be_seen
from tidegate.domain.admission import governed
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import name_of
from tidegate.kube.resources import CONTROLLERREVISIONS

if TYPE_CHECKING:
    from tidegate.api.ab_test import AbArm
    from tidegate.api.artifact import Artifact
    from tidegate.api.model import Model
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.controllers.resolving import Resolving
    from tidegate.controllers.revisions import Revisions
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

TWIN = "twin"
_NOT_ADMITTED = (
    "the Model has gates, or wants signatures, which an arm with an artifact of its own would not"
    " pass; make it the Model's own artifact, and use an arm with `revision: latest`"
)
RETRY_S = 10.0
"""Until a source that did not answer is asked again."""
REFUSED_S = 60.0
"""The same after an answer that can only be mended by somebody."""


@dataclass(frozen=True)
class _Refusal:
    """Why an artifact could not be had, and until when (monotonic) nobody asks again."""

    reason: str
    message: str
    until: float


class Arms:
    """Makes what a strategy asks for."""

    def __init__(
        self, cache: Cache, clock: Clock, revisions: Revisions, resolving: Resolving
    ) -> None:
        self._cache = cache
        self._acting = Acting(cache)
        self._clock = clock
        self._revisions = revisions
        self._resolving = resolving
        self._refused: dict[tuple[str | None, ...], _Refusal] = {}

    async def make(self, model: Model, parent: Parent) -> tuple[list[ArmRevision], float | None]:
        """Every revision that is asked for, or why there is none; and in how many seconds to try
        again, None when all are there."""
        rollouts = self._acting.rollouts(parent.namespace, parent.name)
        if not rollouts or model.spec.delivery != "Rollout":
            return [], None
        strategy = RolloutSpec.model_validate(rollouts[0]["spec"]).strategy
        declared = strategy.ab_test.arms if strategy.ab_test is not None else []
        made = [
            await self._of_artifact(model, parent, arm)
            for arm in declared
            if arm.artifact is not None
        ]
        stable = model.status.delivery.stable if model.status.delivery else None
        if strategy.aa is not None and stable is not None:
            made.append(await self._twin(parent, stable))
        missing = any(entry.revision is None for entry in made)
        return made, RETRY_S if missing else None

    async def _of_artifact(self, model: Model, parent: Parent, arm: AbArm) -> ArmRevision:
        """The revision of an arm's artifact: what the Model declares, but for that. The Model's
        credentials are for its arms too, on the same server: whoever may write Rollouts alone must
        not have them sent elsewhere.

        The artifact is pinned, so a revision that is there needs no look at its source.
        """
        wanted = arm.artifact
        assert wanted is not None
        said = ArmRevision(name=arm.name, source=wanted.sha256)
        if governed(model.spec) or model.spec.artifact.signed_by is not None:
            return said.model_copy(update={"reason": "ArmNotAdmitted", "message": _NOT_ADMITTED})
        changed: dict[str, Any] = {
            "uri": wanted.uri, "sha256": wanted.sha256, "format": wanted.format,
        }  # fmt: skip
        if not same_server(model.spec.artifact.uri, wanted.uri):
            changed["credentials_ref"] = None
        spec = model.spec.model_copy(
            update={"artifact": model.spec.artifact.model_copy(update=changed)}
        )
        try:
            revision = self._revisions.known(spec, parent, sha256=wanted.sha256)
            if revision is None:
                found = await self._resolve(spec.artifact, parent)
                revision = await self._revisions.make(spec, parent, found)
        except (Terminal, Retryable) as error:
            return said.model_copy(update={"reason": error.reason, "message": error.message})
        return _made(said, revision)

    async def _resolve(self, artifact: Artifact, parent: Parent) -> Found:
        """What stands behind a URI. A refusal stands for a while: every change of a pod asks."""
        ref = artifact.credentials_ref
        key = (parent.namespace, artifact.uri, artifact.sha256, ref.name if ref else None)
        now = self._clock.monotonic()
        refusal = self._refused.get(key)
        if refusal is not None and now < refusal.until:
            raise Terminal(refusal.reason, refusal.message)
        try:
            found = await self._resolving.ask(parent, artifact, previous=None)
            if is_to_be_seen(artifact, found):
                credentials = await self._resolving.credentials(parent, artifact)
                await check_format(artifact, found, credentials)
        except (Terminal, Retryable) as error:
            wait = RETRY_S if isinstance(error, Retryable) else REFUSED_S
            self._refused[key] = _Refusal(error.reason, error.message, now + wait)
            raise
        self._refused.pop(key, None)
        return found

    async def _twin(self, parent: Parent, stable: str) -> ArmRevision:
        said = ArmRevision(name=TWIN, source=stable)
        of = self._cache.get(CONTROLLERREVISIONS, parent.namespace, stable)
        if of is None:
            message = f"the ControllerRevision {stable} of stable is not there"
            return said.model_copy(update={"reason": "StableUnknown", "message": message})
        try:
            return _made(said, await self._revisions.twin(parent, of))
        except Terminal as error:
            return said.model_copy(update={"reason": error.reason, "message": error.message})


def _made(said: ArmRevision, revision: Object) -> ArmRevision:
    return said.model_copy(update={"revision": name_of(revision), "digest": digest_of(revision)})
