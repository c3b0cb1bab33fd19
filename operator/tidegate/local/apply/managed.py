"""`metadata.managedFields`: reading it, writing it, and what never belongs to anybody."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.local.apply.fields import Fields

NOBODYS: Fields = frozenset(
    [
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in [
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            ]
        ),
    ]
)
"""Paths that the server owns; they are taken out of every manager's fields."""
_MOST_UPDATERS = 10
_ANCIENT = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Owner:
    """A manager doing one kind of operation. An applier is the same in every API version."""

    manager: str
    operation: str
    subresource: str = ""
    api_version: str = ""

    @property
    def applies(self) -> bool:
        return self.operation == "Apply"

    def text(self) -> str:
        """How a conflict names the owner."""
        shown = f'"{self.manager}"'
        if self.subresource:
            shown += f' with subresource "{self.subresource}"'
        return shown if self.applies else f"{shown} using {self.api_version}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What an owner owns. `time` is when it last changed the object, RFC 3339, if ever."""

    fields: Fields
    api_version: str
    time: str | None = None

    def with_fields(self, members: Fields) -> Entry:
        return replace(self, fields=members)


@dataclass(slots=True)
class Managed:
    """All owners of an object's fields."""

    entries: dict[Owner, Entry] = field(default_factory=dict)

    def others(self, owner: Owner) -> Mapping[Owner, Entry]:
        """Everybody else."""
        return {one: entry for one, entry in self.entries.items() if one != owner}

    def put(self, owner: Owner, entry: Entry) -> None:
        """Record what the owner owns; an owner of nothing is forgotten."""
        members = entry.fields - NOBODYS
        if members:
            self.entries[owner] = entry.with_fields(members)
        else:
            self.entries.pop(owner, None)

    def copy(self) -> Managed:
        return Managed(dict(self.entries))


def owner_of(manager: str, operation: str, api_version: str, subresource: str | None) -> Owner:
    """The identity of a manager in this request."""
    version = "" if operation == "Apply" else api_version
    return Owner(manager or "unknown", operation, subresource or "", version)


def read(obj: Mapping[str, Any] | None) -> Managed:
    """The managers of an object; entries that make no sense are nobody's."""
    managed = Managed()
    metadata = (obj or {}).get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    for one in entries or ():
        if not isinstance(one, dict) or one.get("fieldsType") != "FieldsV1":
            continue
        if one.get("operation") not in {"Apply", "Update"}:
            continue
        api_version = str(one.get("apiVersion") or "")
        owner = owner_of(
            str(one.get("manager") or ""), one["operation"], api_version, one.get("subresource")
        )
        entry = Entry(fields.decode(one.get("fieldsV1")), api_version, one.get("time"))
        managed.entries[owner] = entry
    return managed


def is_reset(obj: Mapping[str, Any]) -> bool:
    """Whether the object asks to forget all managers: `managedFields: [{}]`."""
    metadata = obj.get("metadata")
    return isinstance(metadata, dict) and metadata.get("managedFields") == [{}]


def written(obj: dict[str, Any], managed: Managed) -> dict[str, Any]:
    """`obj` with these managers in its metadata."""
    metadata = {
        name: one for name, one in (obj.get("metadata") or {}).items() if name != "managedFields"
    }
    if managed.entries:
        metadata["managedFields"] = encoded(managed)
    return {**obj, "metadata": metadata}


def encoded(managed: Managed) -> list[dict[str, Any]]:
    """The list as the API server sorts it: appliers first, then by time and name."""
    rows = [_row(owner, entry) for owner, entry in _capped(managed).entries.items() if entry.fields]
    rows.sort(
        key=lambda row: (
            row["operation"],
            row.get("time") or "",
            row["manager"],
            row["apiVersion"],
            row.get("subresource") or "",
        )
    )
    return rows


def _row(owner: Owner, entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": entry.api_version,
    }
    if entry.time:
        row["time"] = entry.time
    row["fieldsType"] = "FieldsV1"
    row["fieldsV1"] = fields.encode(entry.fields)
    if owner.subresource:
        row["subresource"] = owner.subresource
    return row


def _capped(managed: Managed) -> Managed:
    """The oldest updaters share one entry, so that an object does not grow without end."""
    updaters = [(owner, entry) for owner, entry in managed.entries.items() if not owner.applies]
    if len(updaters) <= _MOST_UPDATERS:
        return managed
    updaters.sort(key=lambda pair: (pair[1].time or "", pair[0].manager))
    result = managed.copy()
    surplus = len(updaters) - _MOST_UPDATERS
    for owner, entry in updaters[: surplus + 1]:
        ancient = Owner(_ANCIENT, "Update", "", entry.api_version)
        del result.entries[owner]
        before = result.entries.get(ancient)
        members = entry.fields | (before.fields if before else fields.EMPTY)
        result.entries[ancient] = Entry(members, entry.api_version, entry.time)
    return result


def timestamp(now: datetime) -> str:
    """A time as metadata holds it: UTC, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def same_but_times(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two objects differ in nothing but the times of their managers."""
    return _timeless(left) == _timeless(right)


def _timeless(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj.get("metadata") or {}
    rows = copy.copy(metadata.get("managedFields") or [])
    plain = [{name: one for name, one in row.items() if name != "time"} for row in rows]
    plain.sort(key=repr)
    return {**obj, "metadata": {**metadata, "managedFields": plain}}


def without_rows(obj: dict[str, Any]) -> dict[str, Any]:
    """`obj` without its managedFields."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    plain = {name: one for name, one in metadata.items() if name != "managedFields"}
    return {**obj, "metadata": plain}
