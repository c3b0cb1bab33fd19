"""Kubernetes objects as raw dictionaries, and how to read the few fields everybody reads.

Reading only: nothing here changes an object, and nothing here knows a particular kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

type Object = dict[str, Any]

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "tidegate"


def name_of(obj: Mapping[str, Any]) -> str:
    """Return `metadata.name`, or an empty string when the server has still to choose it."""
    return str(obj.get("metadata", {}).get("name", ""))


def namespace_of(obj: Mapping[str, Any]) -> str | None:
    """Return `metadata.namespace`; None for a cluster-scoped object."""
    found = obj.get("metadata", {}).get("namespace")
    return str(found) if found else None


def uid_of(obj: Mapping[str, Any]) -> str:
    """Return `metadata.uid`, or an empty string for an object that was not stored yet."""
    return str(obj.get("metadata", {}).get("uid", ""))


def resource_version_of(obj: Mapping[str, Any]) -> str:
    """Return `metadata.resourceVersion`, an opaque token; empty when there is none."""
    return str(obj.get("metadata", {}).get("resourceVersion", ""))


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return `metadata.labels`, empty when there are none."""
    return dict(obj.get("metadata", {}).get("labels") or {})


def owners_of(obj: Mapping[str, Any]) -> list[Object]:
    """Return `metadata.ownerReferences`, empty when there are none."""
    return list(obj.get("metadata", {}).get("ownerReferences") or [])


def controller_of(obj: Mapping[str, Any]) -> Object | None:
    """Return the owner reference that says `controller: true`, or None."""
    for owner in owners_of(obj):
        if owner.get("controller"):
            return owner
    return None


def is_being_deleted(obj: Mapping[str, Any]) -> bool:
    """Tell whether a deletion has been asked for and has not finished."""
    return bool(obj.get("metadata", {}).get("deletionTimestamp"))


def owner_reference(owner: Mapping[str, Any], *, controller: bool = True) -> Object:
    """Build the reference by which a child names `owner`; deletion of the owner waits for it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }
