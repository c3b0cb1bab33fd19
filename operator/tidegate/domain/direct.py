"""Delivery without a Rollout: `delivery: Direct` switches when ready, `Rollout` without one stays
put.

Pure, like the rollout engine, and with the same facts and decision. It never compares versions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.rollout_status import Ending
from tidegate.domain.conditions import Said
from tidegate.domain.rollout.availability import (
    not_deliverable,
    stable_available,
    stable_serving,
    standing,
)
from tidegate.domain.rollout.draft import DeliveryDraft
from tidegate.domain.rollout.ending import DRAIN, drop_drained, reject, rejection_of, release
from tidegate.domain.rollout.facts import Decision
from tidegate.domain.route import Routing

if TYPE_CHECKING:
    from tidegate.domain.rollout.facts import Facts, Timing

KEEP_FAILED = timedelta(minutes=10)
"""How long the pods of a revision that failed stay, for a look at them."""


def decide_direct(facts: Facts, timing: Timing) -> Decision:
    """One look at a Model with `delivery: Direct`: the newest revision that is ready takes over."""
    draft = DeliveryDraft(facts, timing)
    instead = _instead_of_stable(draft)
    latest = facts.latest.name if facts.latest else ""
    if facts.blocked is None and (not instead or instead.get(latest, 0) > 0):
        _follow_latest(draft)
    if facts.blocked is None and not instead:
        _drop_previous(draft)
        _drop_contenders(draft)
    drop_drained(draft)
    return _decision(draft, _direct_ready(draft))


def decide_without_rollout(facts: Facts, timing: Timing) -> Decision:
    """One look at a Model with `delivery: Rollout` that no Rollout names: stable stays stable.

    A candidate that was under way is aborted, as if somebody had sent the verb: its digest is
    rejected. It keeps what traffic it has as long as stable has no ready pod to take it.
    """
    draft = DeliveryDraft(facts, timing)
    if not _instead_of_stable(draft):
        _abort_all(draft)
    drop_drained(draft)
    message = (
        "delivery is Rollout and no Rollout names this Model, so nothing moves; create a Rollout"
        " with spec.modelRef.name set to it, or use delivery: Direct"
    )
    stable = draft.delivery.stable
    ready = not_deliverable(draft)
    if ready is None and facts.latest and stable == facts.latest.name:
        ready = stable_serving(draft, {stable: 100})
    ready = ready or Said("Ready", "False", "RolloutMissing", message)
    return _decision(draft, ready, extra=(Said("RolloutMissing", "True", "NoRollout", message),))


def _instead_of_stable(draft: DeliveryDraft) -> dict[str, int]:
    """The live weights where stable has no ready pod and others that have some carry its traffic:
    they stand until it has. Empty otherwise."""
    stable, live = draft.delivery.stable, draft.facts.route.weights or {}
    if stable is None or draft.facts.arm(stable).ready > 0:
        return {}
    weights = {name: weight for name, weight in live.items() if weight > 0}
    others = any(name != stable and draft.facts.arm(name).ready > 0 for name in weights)
    return {stable: 0, **weights} if others else {}


def _abort_all(draft: DeliveryDraft) -> None:
    """Take back whatever was being tried: stable has all traffic again."""
    facts, candidate = draft.facts, draft.delivery.candidate
    if candidate is not None:
        digest = facts.digests.get(candidate)
        if draft.delivery.stable is not None and digest is not None:
            message = "the Rollout was deleted while it was being tried"
            ending = Ending(reason="Aborted", message=message, reject=True)
            reject(draft, digest, candidate, ending)
            draft.tell("Aborted", f"{candidate}: {message}", warning=True)
        release(draft, candidate, DRAIN)
        draft.set_delivery(candidate=None)
    _drop_previous(draft)
    _drop_contenders(draft)


def _follow_latest(draft: DeliveryDraft) -> None:
    latest, delivery = draft.startable, draft.delivery
    if latest is None or not draft.facts.model_current or latest.name == delivery.stable:
        if latest is not None and delivery.candidate is not None and draft.facts.model_current:
            release(draft, delivery.candidate, DRAIN)
            draft.set_delivery(candidate=None)
        return
    if rejection_of(draft, latest.digest) is not None:
        return
    if delivery.candidate != latest.name:
        if delivery.candidate is not None:
            release(draft, delivery.candidate, DRAIN)
        kept = [entry for entry in draft.delivery.draining if entry.revision != latest.name]
        draft.set_delivery(candidate=latest.name, draining=kept)
    pods = draft.facts.arm(latest.name)
    if pods.failure is not None and pods.failure.final and pods.ready == 0:
        ending = Ending(reason=pods.failure.reason, message=pods.failure.message, reject=True)
        reject(draft, latest.digest, latest.name, ending)
        release(draft, latest.name, KEEP_FAILED)
        draft.set_delivery(candidate=None)
        draft.tell("RevisionFailed", f"{latest.name}: {pods.failure.message}", warning=True)
        return
    if pods.complete and pods.ready >= _size(draft) and _known(draft, latest.name):
        _switch(draft, latest.name)


def _known(draft: DeliveryDraft, revision: str) -> bool:
    """Whether the gateway already has the revision in the route, at weight 0.

    Then its endpoints are there before the first request; nothing to wait for when nothing serves.
    """
    facts = draft.facts
    if not facts.route_wanted or draft.delivery.stable is None:
        return True
    return facts.route.programmed and revision in (facts.route.weights or {})


def _switch(draft: DeliveryDraft, revision: str) -> None:
    old = draft.delivery.stable
    if old is not None:
        release(draft, old, DRAIN)
    draft.set_delivery(stable=revision, candidate=None)
    draft.tell("Switched", f"{revision} serves now")
    draft.soon("a revision took over")


def _drop_previous(draft: DeliveryDraft) -> None:
    """Without a Rollout there is no rollback window."""
    if draft.delivery.previous is not None:
        release(draft, draft.delivery.previous, DRAIN)
        draft.set_delivery(previous=None)


def _drop_contenders(draft: DeliveryDraft) -> None:
    """Without a Rollout nothing is tested: stable has all traffic again."""
    for revision in draft.delivery.contenders:
        if revision not in (draft.delivery.stable, draft.delivery.candidate):
            release(draft, revision, DRAIN)
    if draft.delivery.contenders:
        draft.set_delivery(contenders=[])


def _size(draft: DeliveryDraft) -> int:
    """Pods of a revision that is to carry all traffic."""
    stable = draft.facts.arm(draft.delivery.stable)
    return max(draft.facts.scaling.min_replicas, stable.ready)


def _decision(draft: DeliveryDraft, ready: Said, *, extra: tuple[Said, ...] = ()) -> Decision:
    stable, candidate = draft.delivery.stable, draft.delivery.candidate
    floors = {}
    if stable is not None:
        floors[stable] = draft.facts.scaling.min_replicas
    if candidate is not None and draft.facts.blocked is None:
        floors[candidate] = _size(draft)
    said = [stable_available(draft), ready, *extra]
    said += standing(draft, ready, stalled=_stalled(draft, ready))
    weights = _instead_of_stable(draft) or ({stable: 100} if stable is not None else {})
    look = draft.next_look
    return Decision(
        delivery=draft.delivery,
        rollout=None,
        routing=Routing(draft.route_with(weights)) if weights else None,
        floors=floors,
        model_said=tuple(said),
        notes=tuple(draft.notes),
        after=look[0] if look else None,
        why=look[1] if look else "nothing is under way",
    )


def _stalled(draft: DeliveryDraft, ready: Said) -> bool:
    if draft.facts.blocked is not None or ready.reason in ("RevisionFailed", "RolloutMissing"):
        return True
    problem = draft.facts.model_problem
    return problem is not None and problem.status == "False"


def _direct_ready(draft: DeliveryDraft) -> Said:
    latest = draft.facts.latest
    problem = not_deliverable(draft)
    if problem is not None:
        return problem
    assert latest is not None
    rejection = rejection_of(draft, latest.digest)
    if latest.name != draft.delivery.stable:
        if rejection is not None:
            message = f"{latest.name} failed ({rejection.reason}): {rejection.message}"
            return Said("Ready", "False", "RevisionFailed", f"{message}. Change the Model")
        pods = draft.facts.arm(latest.name)
        why = f": {pods.failure.message}" if pods.failure else ""
        message = f"{latest.name} has {pods.ready} of {_size(draft)} ready pods{why}"
        return Said("Ready", "False", "Starting", message)
    return stable_serving(draft, {latest.name: 100})
