"""What a change of an object means for its owners: the step that Apply and Update share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fields, typed
from tidegate.local.apply.errors import ApplyConflict
from tidegate.local.schema.causes import Cause

if TYPE_CHECKING:
    from tidegate.local.apply.fields import Path
    from tidegate.local.apply.managed import Managed, Owner
    from tidegate.local.apply.typed import Differences, Schema


def take(
    schema: Schema, old: Any, new: Any, managed: Managed, owner: Owner, *, force: bool
) -> Differences:
    """Take from everybody else what `owner` changes; what is gone belongs to nobody any more.

    :raises ApplyConflict: not forced, and somebody else owns what changes.
    """
    changes = typed.compare(schema, old, new)
    changed = changes.modified | changes.added
    conflicts = {
        other: entry.fields & changed
        for other, entry in managed.others(owner).items()
        if entry.fields & changed
    }
    if conflicts and not force:
        raise _conflict(conflicts)
    for other, entry in managed.others(owner).items():
        lost = conflicts.get(other, fields.EMPTY) | changes.removed
        if lost & entry.fields:
            managed.put(other, entry.with_fields(entry.fields - lost))
    return changes


def _conflict(conflicts: dict[Owner, frozenset[Path]]) -> ApplyConflict:
    pairs = [
        (owner.text(), fields.text(path))
        for owner in sorted(conflicts, key=lambda one: one.text())
        for path in sorted(conflicts[owner])
    ]
    paths = frozenset().union(*conflicts.values())
    causes = [Cause(path, "FieldManagerConflict", f"conflict with {who}") for who, path in pairs]
    if len(pairs) == 1:
        who, path = pairs[0]
        text = f"Apply failed with 1 conflict: conflict with {who}: {path}"
        return ApplyConflict(text, causes, paths)
    lines = []
    for who in dict.fromkeys(who for who, _ in pairs):
        lines.append(f"conflicts with {who}:")
        lines += [f"- {path}" for one, path in pairs if one == who]
    text = f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines)
    return ApplyConflict(text, causes, paths)
