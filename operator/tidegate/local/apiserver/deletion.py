"""How objects go: finalizers, propagation policies, graceful pods, namespaces and CRDs.

Used by requests and by the garbage collector alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.local.apiserver import crdrules
from tidegate.local.apiserver.errors import ApiError, conflict, resource_details

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.options import DeleteOptions
    from tidegate.local.apiserver.store import Record

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_DEFAULT_GRACE_S = 30
_FINAL_PHASES = ("Succeeded", "Failed")
PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")


@dataclass(frozen=True)
class Deleted:
    """What became of the object: gone for good, or on its way."""

    obj: Obj
    gone: bool


def delete(cluster: Cluster, kind: Kind, record: Record, options: DeleteOptions) -> Deleted:
    """Delete an object, or begin to.

    :raises ApiError: 409 when a precondition does not hold, 403 for protected namespaces.
    """
    obj = record.decode()
    _check_preconditions(kind, obj, options)
    if kind.collection == "/namespaces":
        return _delete_namespace(cluster, kind, obj, options)
    if kind.collection == crdrules.COLLECTION:
        return _delete_crd(cluster, kind, obj, options)
    meta = obj["metadata"]
    _set_policy(meta, options.policy)
    grace = _grace(kind, obj, options.grace)
    if not meta.get("finalizers") and grace == 0:
        if kind.collection == "/pods" and _mark(cluster, meta, 0):
            # Whoever watches pods sees that one may go before it goes.
            obj = _store(cluster, kind, obj, options)
            record = cluster.find(kind, meta["namespace"], meta["name"])
        if not options.dry_run:
            cluster.store.remove(record)
        return Deleted(obj, gone=True)
    if _mark(cluster, meta, grace) or meta != record.decode()["metadata"]:
        obj = _store(cluster, kind, obj, options)
    return Deleted(obj, gone=False)


def _check_preconditions(kind: Kind, obj: Obj, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    if options.uid and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({meta['uid']}). The object might have been deleted and then recreated"
        )
        raise _precondition(kind, meta["name"], why)
    version = options.resource_version
    if version and version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been "
            "modified"
        )
        raise _precondition(kind, meta["name"], why)


def _precondition(kind: Kind, name: str, why: str) -> ApiError:
    error = conflict(kind, name, why)
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    details = resource_details(name, kind.group, kind.kind)
    return ApiError(error.code, error.reason, message, details=details)


def _set_policy(meta: Obj, policy: str) -> None:
    if not policy:
        return
    kept = [f for f in meta.get("finalizers") or () if f not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        kept.append(ORPHAN)
    elif policy == "Foreground":
        kept.append(FOREGROUND)
    if kept:
        meta["finalizers"] = kept
    else:
        meta.pop("finalizers", None)


def _grace(kind: Kind, obj: Obj, asked: int | None) -> int:
    """Seconds until the object may go. Only a pod on a node gets any."""
    if kind.collection != "/pods":
        return 0
    spec = obj.get("spec") or {}
    phase = (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in _FINAL_PHASES:
        return 0
    wanted = asked if asked is not None else spec.get("terminationGracePeriodSeconds")
    return _DEFAULT_GRACE_S if wanted is None else int(wanted)


def _mark(cluster: Cluster, meta: Obj, grace: int) -> bool:
    """Set the deletion timestamp, or bring it forward; whether anything changed."""
    if meta.get("deletionTimestamp"):
        # Asked again: the grace period can become shorter, never longer.
        if grace >= (meta.get("deletionGracePeriodSeconds") or 0):
            return False
    elif "generation" in meta:
        meta["generation"] += 1
    meta["deletionTimestamp"] = cluster.later(grace)
    meta["deletionGracePeriodSeconds"] = grace
    return True


def _store(cluster: Cluster, kind: Kind, obj: Obj, options: DeleteOptions) -> Obj:
    if options.dry_run:
        return obj
    return cluster.store.put(kind.collection, obj).decode()


def _delete_namespace(cluster: Cluster, kind: Kind, obj: Obj, options: DeleteOptions) -> Deleted:
    meta = obj["metadata"]
    if meta["name"] in PROTECTED_NAMESPACES:
        raise ApiError(
            403,
            "Forbidden",
            f'namespaces "{meta["name"]}" is forbidden: this namespace may not be deleted',
            details=resource_details(meta["name"], "", "namespaces"),
        )
    if not meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = cluster.now()
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        obj = _store(cluster, kind, obj, options)
    return Deleted(obj, gone=False)


def _delete_crd(cluster: Cluster, kind: Kind, obj: Obj, options: DeleteOptions) -> Deleted:
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = cluster.now()
        finalizers = list(meta.get("finalizers") or ())
        if crdrules.CLEANUP not in finalizers:
            finalizers.append(crdrules.CLEANUP)
        meta["finalizers"] = finalizers
        terminating = {
            "type": "Terminating",
            "status": "True",
            "lastTransitionTime": cluster.now(),
            "reason": "InstanceDeletionPending",
            "message": (
                "CustomResourceDefinition marked for deletion; CustomResource deletion will begin "
                "soon"
            ),
        }
        status = obj.setdefault("status", {})
        kept = [c for c in status.get("conditions") or () if c["type"] != "Terminating"]
        status["conditions"] = [*kept, terminating]
        obj = _store(cluster, kind, obj, options)
    return Deleted(obj, gone=False)


def is_finished(obj: Obj) -> bool:
    """Whether a marked object has nothing left to wait for."""
    meta = obj["metadata"]
    return bool(
        meta.get("deletionTimestamp")
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
        and not (obj.get("kind") == "Namespace" and (obj.get("spec") or {}).get("finalizers"))
    )
