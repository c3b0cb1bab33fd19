"""Keeps managedFields true after a POST, a PUT or a PATCH that is no apply.

The new object is decided by the caller; this decides only who owns what of it afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fields, managed, ownership, typed
from tidegate.local.schema.metadata import with_metadata

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apply.typed import Schema

_EMPTY_KEY = "x-tidegate-empty"


def update_managed(
    live: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    manager: str,
    operation: str = "Update",
    schema: Schema | None,
    api_version: str | None = None,
    subresource: str | None = None,
    now: datetime,
) -> dict[str, Any]:
    """`new` with managedFields: what it changes of `live` belongs to `manager` from now on.

    `live` is None on creation. `new` is complete (defaulted, pruned, with server-set metadata).
    Managed fields that `new` brings along replace the live ones; `[{}]` forgets them all; a
    subresource cannot change them by hand. Nothing but times would change: times stay.
    """
    version = api_version or str(new.get("apiVersion") or "")
    whole = with_metadata(schema) if schema else typed.DEDUCED
    owners = _owners(live, new, subresource)
    stripped = managed.without_rows(new)
    if live is not None and not owners.entries:
        # Nobody is tracked on this object, and an update does not start it.
        return stripped
    owner = managed.owner_of(manager, operation, version, subresource)
    before = managed.without_rows(live) if live is not None else _empty(schema, new)
    changes = ownership.take(whole, before, stripped, owners, owner, force=True)
    mine = owners.entries.get(owner)
    kept = mine.fields if mine else fields.EMPTY
    members = (kept - changes.removed) | changes.modified | changes.added
    if changes.modified or changes.added:
        time: str | None = managed.timestamp(now)
    else:
        time = mine.time if mine else None
    owners.put(owner, managed.Entry(frozenset(members), version, time))
    result = managed.written(stripped, owners)
    return live_if_same(live, result)


def live_if_same(live: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """`new`, but with the live times when nothing else would change."""
    if live is None or not managed.same_but_times(live, new):
        return new
    rows = (live.get("metadata") or {}).get("managedFields")
    plain = managed.without_rows(new)
    if not rows:
        return plain
    return {**plain, "metadata": {**plain["metadata"], "managedFields": rows}}


def _owners(
    live: dict[str, Any] | None, new: dict[str, Any], subresource: str | None
) -> managed.Managed:
    if subresource:
        return managed.read(live)
    if managed.is_reset(new):
        return managed.Managed()
    found = managed.read(new)
    return found if found.entries else managed.read(live)


def _empty(schema: Schema | None, new: dict[str, Any]) -> dict[str, Any]:
    """The object that a new one is compared with: what the kind has before anybody writes it."""
    empty: dict[str, Any] = {"metadata": {}}
    if schema:
        empty.update(schema.get(_EMPTY_KEY) or {})
    # Absent in the new object means that the empty field is not encoded there either.
    return {name: one for name, one in empty.items() if name in new}
