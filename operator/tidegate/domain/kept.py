"""What of a Model's revisions stands in its status, and for how long. Pure.

Of what serves, is tried or asked for: all that its gates said, whether it may be delivered, its
approval. Of others as much as there is room for; the lineage keeps all of it. Decides nothing about
revisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.approval import ApprovalStatus
from tidegate.domain.revisions import taken_over
from tidegate.domain.room import REVISIONS_BYTES, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from tidegate.api.model_status import ModelStatus, RevisionStatus

RECENT = 2
"""Of so many revisions that serve nothing any more, the newest, status says whether they were
admitted, and what their gates said until their lineage is kept."""
APPROVALS = 10
"""Of so many revisions, the newest, approvals stay in status while there is room: without it the
same annotation would count once more."""
BRIEF_CHARS = 60


def kept(
    status: ModelStatus,
    entries: Sequence[RevisionStatus],
    *,
    latest: str | None,
    untold: AbstractSet[str] = frozenset(),
) -> list[RevisionStatus]:
    """The entries, newest first, with what stays in status of each; old ones may be missing.

    `latest` is the revision that is asked for, `untold` are refused ones of which the registry is
    still to be told. A revision that comes back is judged anew.
    """
    delivery = status.delivery
    used = {latest, *_used(status)}
    recent = [entry.name for entry in entries if entry.name not in used and entry.admission]
    admitted = used | untold | set(recent[:RECENT])
    approved = [entry.name for entry in entries if _counted(entry.approval)]
    noted = admitted | set(approved[:APPROVALS])
    left = [_left(entry, used, admitted, noted) for entry in entries]
    stable = delivery.stable if delivery is not None else None
    return _in_room(left, used, untold, latest=latest, stable=stable)


def fallen(status: ModelStatus, numbers: Mapping[str, int]) -> set[str]:
    """Revisions that stand in status no more, by their numbers: the newer ones that do stand there
    were listed after them, and none goes before its lineage is kept. One that is used again is
    listed again."""
    listed = {entry.name for entry in status.revisions} | _used(status)
    newest = max((entry.number for entry in status.revisions), default=0)
    return {name for name, number in numbers.items() if name not in listed and number < newest}


def _used(status: ModelStatus) -> set[str | None]:
    """The revisions that the delivery has, and those that the Rollout asks for."""
    delivery = status.delivery
    live = taken_over(delivery) if delivery is not None else set()
    return {*live, *(arm.revision for arm in status.arms)}


def _left(
    entry: RevisionStatus,
    used: AbstractSet[str | None],
    admitted: AbstractSet[str | None],
    noted: AbstractSet[str | None],
) -> RevisionStatus:
    """An entry without what is over for it."""
    gone: dict[str, object] = {}
    if entry.name not in used and (entry.lineage is not None or entry.name not in admitted):
        gone["gates"] = []
    if entry.name not in admitted:
        gone["admission"] = None
    if entry.name not in noted:
        gone["approval"] = None
    return entry.model_copy(update=gone)


def _counted(approval: ApprovalStatus | None) -> bool:
    """Whether somebody approved it, or what was approved counts no more."""
    return approval is not None and bool(approval.at or approval.lapsed)


def _over(approval: ApprovalStatus | None) -> ApprovalStatus | None:
    """What stays of an approval that is made room for: that it counts no more."""
    if approval is None or approval.by is None:
        return approval
    return ApprovalStatus(evidence=approval.evidence, lapsed=approval.at)


def _in_room(
    entries: Sequence[RevisionStatus],
    used: AbstractSet[str | None],
    untold: AbstractSet[str],
    *,
    latest: str | None,
    stable: str | None,
) -> list[RevisionStatus]:
    """The entries in as much room as they have. Results of what is asked for and of what serves
    stay whatever they take: they would be judged again and again."""

    def other(entry: RevisionStatus) -> bool:
        return entry.name not in used and entry.name not in untold and entry.lineage is not None

    def without_words(entry: RevisionStatus) -> RevisionStatus:
        return entry.model_copy(update={"message": None}) if other(entry) else entry

    def bare(entry: RevisionStatus) -> RevisionStatus:
        if not other(entry):
            return entry
        less = {"admission": None, "served": None, "approval": _over(entry.approval)}
        return entry.model_copy(update=less)

    def without_results(entry: RevisionStatus) -> RevisionStatus:
        whole = entry.name in (latest, stable) or entry.lineage is None
        return entry if whole else entry.model_copy(update={"gates": []})

    def gone(entry: RevisionStatus) -> RevisionStatus | None:
        return None if other(entry) else entry

    def in_brief(entry: RevisionStatus) -> RevisionStatus:
        if entry.name == latest or entry.lineage is None:
            return entry
        brief = [
            one.model_copy(update={"message": one.message[:BRIEF_CHARS]}) for one in entry.gates
        ]
        return entry.model_copy(update={"gates": brief})

    oldest_first = list(reversed(entries))
    steps = (without_words, bare, without_results, in_brief, gone)
    return list(reversed(fitted(oldest_first, room=REVISIONS_BYTES, steps=steps)))
