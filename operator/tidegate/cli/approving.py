"""Approves a revision of a Model: what it is, the annotation, and what the operator answers.

Owns that an approval is bound to what the person saw. Whether it counts is decided by admission and
the operator, not here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidegate.api.model import Model
from tidegate.api.origin import Origin
from tidegate.cli.finding import MANAGER, find_model
from tidegate.domain.approval import ANNOTATION, written
from tidegate.domain.conditions import find
from tidegate.errors import Conflict, Forbidden, NotFound, ServerUnavailable, Terminal
from tidegate.errors import TooManyRequests as Busy
from tidegate.kube.objects import name_of, resource_version_of, uid_of
from tidegate.kube.resources import CONTROLLERREVISIONS, MODELS

if TYPE_CHECKING:
    from tidegate.api.base import Condition
    from tidegate.api.model_status import RevisionStatus
    from tidegate.cli.finding import Place
    from tidegate.kube.objects import Object

POLL_S = 0.5
_TRIES = 5


@dataclass(frozen=True)
class Wanted:
    """A revision that waits for an approval, as it stood when it was read."""

    obj: Object
    model: Model
    entry: RevisionStatus
    condition: Condition
    origin: Origin | None = None
    unread: str = ""
    """Why its origin could not be read; empty where it was, or where there is none."""

    @property
    def evidence(self) -> str:
        """What an approval of it is bound to."""
        assert self.entry.approval is not None, "it waits for one"
        return self.entry.approval.evidence

    @property
    def authors(self) -> list[str]:
        """Who made it, as users of Kubernetes."""
        assert self.entry.approval is not None, "it waits for one"
        return self.entry.approval.authors


@dataclass(frozen=True)
class Given:
    """An approval as it was stored. `result` is the reason that the operator gave, None while it
    has said nothing; `message` its words."""

    namespace: str
    model: str
    revision: str
    evidence: str
    by: str
    result: str | None = None
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether it counts."""
        return self.result == "Approved"

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "namespace": self.namespace,
            "model": self.model,
            "revision": self.revision,
            "evidence": self.evidence,
            "by": self.by,
            "result": self.result,
        }


def waits(obj: Object) -> bool:
    """Whether a Model waits for a person."""
    condition, entry = _standing(Model.model_validate(obj))
    return condition is not None and condition.status == "False" and entry is not None


async def wanted(where: Place, name: str) -> Wanted:
    """What of a Model waits to be approved.

    Raises Terminal: ModelNotFound, NothingToDo with how it stands.
    """
    obj = await find_model(where, name)
    if obj is None:
        text = f"there is no Model {name} in namespace {where.namespace} (-n names another)"
        raise Terminal("ModelNotFound", text)
    model = Model.model_validate(obj)
    condition, entry = _standing(model)
    if model.spec.approval is None:
        raise Terminal("NothingToDo", f"Model {name} asks for no approval (spec.approval)")
    if condition is None or entry is None:
        said = condition or find(model.status.conditions, "Ready")
        text = "the operator has not looked yet" if said is None else said.message
        raise Terminal("NothingToDo", f"nothing of Model {name} can be approved now: {text}")
    if condition.status != "False":
        raise Terminal("NothingToDo", f"nothing of Model {name} waits: {condition.message}")
    origin, unread = await _origin(where, entry.name)
    return Wanted(obj, model, entry, condition, origin, unread)


def check_person(found: Wanted, by: str) -> None:
    """Raises Terminal (ApproverIsAuthor, AuthorUnknown, ApprovalUnguarded) where this approval
    cannot count."""
    if by in found.authors:
        raise Terminal("ApproverIsAuthor", f"{by} made {found.entry.name}: somebody else has to")
    if found.condition.reason in ("AuthorUnknown", "ApprovalUnguarded"):
        raise Terminal(found.condition.reason, found.condition.message)


async def give(where: Place, found: Wanted, *, by: str) -> Given:
    """Store an approval of exactly what was found.

    Raises Terminal: as `check_person`, EvidenceChanged; Forbidden or Invalid as admission says it.
    """
    check_person(found, by)
    name = name_of(found.obj)
    given = Given(where.namespace, name, found.entry.name, found.evidence, by)
    for _ in range(_TRIES):
        metadata = {
            "uid": uid_of(found.obj),
            "resourceVersion": resource_version_of(found.obj),
            "annotations": {ANNOTATION: written(given.revision, given.evidence, by)},
        }
        try:
            await where.client.patch(
                MODELS, name, {"metadata": metadata}, namespace=where.namespace, manager=MANAGER
            )
        except (Conflict, ServerUnavailable):
            found = await _seen_again(where, found)
            continue
        return given
    raise Terminal("Conflict", f"Model {name} changes all the time; try again")


async def answer(where: Place, given: Given, before: Condition, *, timeout: float) -> Given:
    """Wait until the operator has said whether it counts, `timeout` seconds at most."""
    clock = where.client.clock
    end = clock.monotonic() + timeout
    while True:
        found = await _answered(where, given, before)
        if found.result is not None or clock.monotonic() >= end:
            return found
        await clock.sleep(min(POLL_S, max(0.01, end - clock.monotonic())))


async def _answered(where: Place, given: Given, before: Condition) -> Given:
    try:
        obj = await where.client.get(MODELS, given.model, namespace=where.namespace)
    except (ServerUnavailable, Busy):
        return given  # asked again: what was stored stays
    except NotFound as error:
        raise Terminal("ModelDeleted", f"Model {given.model} was deleted") from error
    model = Model.model_validate(obj)
    approval = next(
        (one.approval for one in model.status.revisions if one.name == given.revision), None
    )
    condition = find(model.status.conditions, "Approved")
    if approval is not None and approval.by == given.by and approval.evidence == given.evidence:
        message = f"{given.revision} is approved by {given.by} until {approval.expires}"
        return replace(given, result="Approved", message=message)
    if condition is None or condition.status != "False":
        return given
    if (condition.reason, condition.message) == (before.reason, before.message):
        return given
    return replace(given, result=condition.reason, message=condition.message)


async def _seen_again(where: Place, found: Wanted) -> Wanted:
    """The same as it is now. Raises Terminal(EvidenceChanged) where it is something else."""
    now = await wanted(where, name_of(found.obj))
    if (now.entry.name, now.evidence) != (found.entry.name, found.evidence):
        text = f"{name_of(found.obj)} asks for something else now; look at it again"
        raise Terminal("EvidenceChanged", text)
    return now


def _standing(model: Model) -> tuple[Condition | None, RevisionStatus | None]:
    """The condition, and the revision that can be approved."""
    latest = model.status.latest_revision
    entry = next((one for one in model.status.revisions if one.name == latest), None)
    asked = entry is not None and entry.approval is not None
    return find(model.status.conditions, "Approved"), entry if asked else None


async def _origin(where: Place, revision: str) -> tuple[Origin | None, str]:
    """What the registry knew of it, or why that cannot be read."""
    try:
        found = await where.client.get(CONTROLLERREVISIONS, revision, namespace=where.namespace)
    except NotFound:
        return None, f"ControllerRevision {revision} does not exist any more"
    except Forbidden:
        return None, (
            f"you may not get controllerrevisions (apps) in namespace {where.namespace}, which hold"
            " it; the role tidegate-approver may"
        )
    origin = found.get("data", {}).get("origin")
    return Origin.model_validate(origin) if origin else None, ""
