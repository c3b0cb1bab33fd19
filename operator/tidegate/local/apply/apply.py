"""Server-side apply: the object that results, and its owners.

Owns the order of the steps: check the configuration, merge it, take away what the manager applied
before and no longer does, then settle ownership. It does not default or validate the result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fitting, managed, ownership, typed
from tidegate.local.apply.errors import ApplyConflict, ApplyRefused
from tidegate.local.apply.update import live_if_same, update_managed
from tidegate.local.schema.metadata import with_metadata

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apply.fields import Fields, Path
    from tidegate.local.apply.managed import Entry, Managed, Owner
    from tidegate.local.apply.typed import Schema

_BEFORE_FIRST = "before-first-apply"
_KUBECTL = "kubectl"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_IDENTITY = ("apiVersion", "kind", "metadata")
_SERVER_SET = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "selfLink",
)


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """`object` is complete with managedFields. Not `changed` means: equal to the live one."""

    object: dict[str, Any]
    changed: bool


def apply(
    live: dict[str, Any] | None,
    config: dict[str, Any],
    *,
    manager: str,
    schema: Schema | None,
    api_version: str,
    force: bool = False,
    subresource: str | None = None,
    ignored: frozenset[Path] | None = None,
    now: datetime,
) -> ApplyResult:
    """What the server stores when `manager` applies `config`.

    `live` is None when the object does not exist; then the caller sets uid and its like on the
    result. `schema` None means that fields are deduced. `ignored` are paths that this endpoint does
    not write (`("f:status",)`); by default none, but all except `status` on that subresource.

    :raises ApplyConflict: others own what would change, and `force` is not set.
    :raises ApplyRefused: the configuration does not fit the schema or the request.
    """
    _check_request(config, api_version)
    whole = with_metadata(schema) if schema else typed.DEDUCED
    config = _writable(_fitting(whole, config), subresource, ignored)
    owners = managed.read(live)
    base = managed.without_rows(live) if live is not None else _identity(config)
    if live is not None and not owners.entries:
        owners = _adopted(live, schema, now)
    owner = managed.owner_of(manager, "Apply", api_version, subresource)
    last = owners.entries.get(owner)
    merged = typed.merge(whole, base, config)
    members = typed.field_set(whole, config)
    owners.entries[owner] = _entry(members, api_version, last, None)
    merged = _pruned(whole, merged, owners, last, typed.every_path(whole, config))
    _take(whole, base, merged, owners, owner, force=force)
    stamped = live is None or merged != base
    owners.put(owner, _entry(members, api_version, last, now if stamped else None))
    result = live_if_same(live, managed.written(merged, owners))
    return ApplyResult(result, changed=result != live)


def _take(
    schema: Schema,
    base: dict[str, Any],
    merged: Any,
    owners: Managed,
    owner: Owner,
    *,
    force: bool,
) -> None:
    """Take from the others what changes. Raises ApplyConflict."""
    try:
        ownership.take(schema, base, merged, owners, owner, force=force)
    except ApplyConflict as conflict:
        if not _was_its_own(conflict, base, manager=owner.manager, schema=schema):
            raise
        ownership.take(schema, base, merged, owners, owner, force=True)


def _was_its_own(
    conflict: ApplyConflict, live: dict[str, Any], *, manager: str, schema: Schema
) -> bool:
    """Whether kubectl takes over what it applied itself before, on the client's side.

    As upstream: what the annotation of the last client-side apply names is no conflict.
    """
    if manager != _KUBECTL:
        return False
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(_LAST_APPLIED)
    try:
        last = json.loads(text or "")
    except ValueError:
        return False
    if not isinstance(last, dict) or last.get("apiVersion") != live.get("apiVersion"):
        return False
    try:
        return conflict.paths <= typed.field_set(schema, _fitting(schema, last))
    except ApplyRefused:
        return False


def _entry(members: Fields, api_version: str, last: Entry | None, now: datetime | None) -> Entry:
    """What the manager owns. Without `now` its time stays, or there is none."""
    if now is not None:
        return managed.Entry(members, api_version, managed.timestamp(now))
    return managed.Entry(members, api_version, last.time if last else None)


def _check_request(config: dict[str, Any], api_version: str) -> None:
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        text = "metadata.managedFields must be nil"
        raise ApplyRefused(text, status=400, reason="BadRequest")
    given = str(config.get("apiVersion") or "")
    if not given or not config.get("kind"):
        group, _, version = given.rpartition("/")
        text = f"invalid object type: {group}/{version}, Kind={config.get('kind') or ''}"
        raise ApplyRefused(text, status=400, reason="BadRequest")
    if given != api_version:
        text = (
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {given}, expected: {api_version}"
        )
        raise ApplyRefused(text, status=400, reason="BadRequest")


def _fitting(schema: Schema, config: dict[str, Any]) -> dict[str, Any]:
    try:
        fitting.check(schema, config)
    except ApplyRefused as error:
        metadata = config.get("metadata") or {}
        where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
        what = f"{config['apiVersion']}, Kind={config['kind']}"
        text = f"failed to create typed patch object ({where}; {what}): {error.message}"
        raise ApplyRefused(text, status=error.status) from None
    return config


def _writable(
    config: dict[str, Any], subresource: str | None, ignored: frozenset[Path] | None
) -> dict[str, Any]:
    """The part of the configuration that this endpoint writes."""
    metadata = config.get("metadata")
    if isinstance(metadata, dict):
        # Tools print `creationTimestamp: null` into what they generate; it must not erase ours.
        kept = {name: one for name, one in metadata.items() if name not in _SERVER_SET}
        config = {**config, "metadata": kept}
    if ignored is None:
        if subresource == "status":
            kept = {name: one for name, one in config.items() if name in (*_IDENTITY, "status")}
            names = ("name", "namespace", "uid", "resourceVersion")
            metadata = {
                name: one for name, one in (config.get("metadata") or {}).items() if name in names
            }
            return {**kept, "metadata": metadata}
        return config
    return typed.without(typed.DEDUCED, config, ignored)


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """What a new object is before anything is applied to it."""
    return {name: config[name] for name in ("apiVersion", "kind") if name in config}


def _adopted(live: dict[str, Any], schema: Schema | None, now: datetime) -> Managed:
    """The owners of an object that nobody tracked: all of it belongs to who came before."""
    fresh = managed.without_rows(live)
    version = str(live.get("apiVersion") or "")
    tracked = update_managed(
        None, fresh, manager=_BEFORE_FIRST, schema=schema, api_version=version, now=now
    )
    return managed.read(tracked)


def _pruned(
    schema: Schema, merged: Any, owners: Managed, last: Entry | None, applied: Fields
) -> Any:
    """`merged` without what the manager applied before, and neither applies nor anybody owns now.

    `applied` is every path of the configuration. Upstream looks at owned fields alone, so that an
    empty list in a map that was empty before goes and comes back with every second apply.
    """
    if last is None or last.fields <= applied:
        return merged
    dropped = typed.named_members(schema, last.fields)
    # Emptied maps still count as there: what others put below them must find its way back.
    pruned = typed.without(schema, merged, dropped, hollow=True)
    members = applied.union(*(entry.fields for entry in owners.entries.values()))
    owned = typed.named_members(schema, members)
    everything = typed.named_members(schema, typed.field_set(schema, merged))
    left = typed.named_members(schema, typed.field_set(schema, pruned))
    pruned = typed.without(schema, merged, everything - left - owned, hollow=True)
    # What was not the manager's own comes back, even below something that was.
    left = typed.named_members(schema, typed.field_set(schema, pruned))
    return typed.without(schema, merged, (everything - left) & dropped, kept=members)
