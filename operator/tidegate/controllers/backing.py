"""Carrying out a delivery decision by a backend: one object holds every revision with its weight.

Reads the object and the Deployments of its controller; writes the whole object when something of
it differs, and deletes it when nothing is to have pods. Order is the decision's: weights are raised
for ready pods only, and a revision leaves the object only after the decision has let it go.

The object carries no mark of what was applied, unlike other children: a backend copies annotations
to pods, and a mark that changes with a weight would restart them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.backends.arms import arms_of
from tidegate.backends.base import NOTHING_SEEN
from tidegate.backends.deployments import by_revision, pods_of
from tidegate.backends.registry import backend_of
from tidegate.controllers.children import covers
from tidegate.domain.pods import arm_pods
from tidegate.errors import Forbidden, Invalid, NotFound, ServerUnavailable, Terminal
from tidegate.kube.objects import is_being_deleted, name_of, owners_of, uid_of
from tidegate.kube.resources import CONTROLLERREVISIONS, DEPLOYMENTS, PODS, resource
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.backends.base import Arm, Backend, Seen
    from tidegate.controllers.children import Children
    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.pods import ArmPods
    from tidegate.domain.rollout.facts import Decision
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

BACKEND_MISSING = "BackendNotInstalled"
BACKEND_OLD = "BackendTooOld"
BACKEND_REFUSES = "BackendRefuses"
REFUSALS = (BACKEND_MISSING, BACKEND_OLD, BACKEND_REFUSES)
_AGAIN = timedelta(seconds=1)
_UNKNOWN_FIELD = ("field not declared in schema", "unknown field")
_DENIED = "denied the request"
"""How API servers word what they do not know, and what an admission webhook refuses."""


@dataclass(frozen=True)
class Backed:
    """A Model whose pods a backend runs: its live object, if there is one, and what that says."""

    backend: Backend
    live: Object | None = None
    seen: Seen = NOTHING_SEEN
    deployments: tuple[Object, ...] = ()


def pods_by_revision(
    cache: Cache, backed: Backed | None, namespace: str, revisions: Iterable[str]
) -> dict[str, ArmPods]:
    """The pods of every revision: as its entry and the Deployment behind it show them, or, without
    a backend, its own Deployment."""
    seen = backed.seen if backed else NOTHING_SEEN
    running = by_revision(backed.deployments) if backed else {}
    found = {}
    for revision in revisions:
        pods = cache.list(PODS, namespace, labels={REVISION_LABEL: revision})
        if backed is None:
            found[revision] = arm_pods(cache.get(DEPLOYMENTS, namespace, revision), pods)
            continue
        found[revision] = pods_of(
            running.get(revision),
            pods,
            size=seen.sizes.get(revision),
            failure=seen.failures.get(revision),
        )
    return found


def look(cache: Cache, name: str, *, namespace: str, model: str) -> Backed | None:
    """What the cache has of a Model's object, by the name of its backend; None for Native. An
    object that is being deleted is none."""
    backend = backend_of(name)
    if backend is None:
        return None
    live = cache.get(resource(*backend.kind), namespace, model)
    if live is None or is_being_deleted(live):
        return Backed(backend)
    ours = tuple(
        deployment
        for deployment in cache.list(DEPLOYMENTS, namespace, labels={MODEL_LABEL: model})
        if uid_of(live) in {owner.get("uid") for owner in owners_of(deployment)}
    )
    return Backed(backend, live, backend.observe(live, ours), ours)


class Backing:
    """Writes the objects of backends."""

    def __init__(self, children: Children, cache: Cache) -> None:
        self._children = children
        self._cache = cache

    async def carry_out(
        self, gathered: Gathered, decision: Decision, parent: Parent
    ) -> timedelta | None:
        """Make the object as a decision wants it. Returns when to look again if it has to wait.

        Raises Terminal (`BackendNotInstalled`, `BackendTooOld`, `BackendRefuses`, `NameTaken`).
        """
        backed = gathered.backed
        assert backed is not None, "only for Models with a backend"
        arms = arms_of(
            decision,
            gathered.facts,
            backed.seen,
            frozen=self._frozen(parent),
            backend=backed.backend,
        )
        if arms is None:
            return _AGAIN
        res = resource(*backed.backend.kind)
        if not arms:
            if backed.live is not None:
                await self._children.drop(res, backed.live)
            return None
        wanted = backed.backend.render(parent, arms)
        if not self._says(backed, arms, wanted):
            await self._write(res, wanted, backed)
        return None

    def _frozen(self, parent: Parent) -> dict[str, Object]:
        revisions = self._cache.list(
            CONTROLLERREVISIONS, parent.namespace, labels={MODEL_LABEL: parent.name}
        )
        return {
            name_of(one): one["data"]["predictor"]
            for one in revisions
            if "predictor" in one["data"]
        }

    def _says(self, backed: Backed, arms: tuple[Arm, ...], wanted: Object) -> bool:
        """Whether the live object says exactly this; its server and webhooks may add defaults."""
        weights = {arm.revision: arm.weight for arm in arms}
        if backed.live is None or dict(backed.seen.route.weights or {}) != weights:
            return False
        return covers(backed.live, wanted)

    async def _write(self, res: Resource, wanted: Object, backed: Backed) -> None:
        """Strictly: a field that an older definition would drop is one that was needed."""
        try:
            await self._children.ensure(res, wanted, differs=True, marked=False, strict=True)
        except NotFound as error:
            # Applying creates what is absent, so it is the kind that is not there.
            raise _missing(backed.backend) from error
        except (Invalid, Forbidden, ServerUnavailable) as error:
            refusal = _refusal(error, backed.backend)
            if refusal is None:
                raise
            raise refusal from error


def _missing(backend: Backend) -> Terminal:
    api_version, kind = backend.kind
    return Terminal(
        BACKEND_MISSING,
        f"this cluster does not serve {kind} ({api_version}): install {backend.needs}, or use a"
        " Model with backend: Native",
    )


def _refusal(error: Invalid | Forbidden | ServerUnavailable, backend: Backend) -> Terminal | None:
    """What the refusal of a write means; None for what may pass, or is our own lack of rights."""
    kind, text = backend.kind[1], error.message
    if any(words in text for words in _UNKNOWN_FIELD):
        return Terminal(
            BACKEND_OLD,
            f"the installed {kind} cannot do what is asked ({text[-300:]}): install"
            f" {backend.needs}, or use a Model with backend: Native",
        )
    if isinstance(error, Invalid) or _DENIED in text:
        return Terminal(BACKEND_REFUSES, f"the cluster refuses the {kind}: {text[-500:]}")
    return None
