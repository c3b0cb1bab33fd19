"""The parameters of a policy: which objects a binding hands to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.selectors import selector_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.admission.call import Call
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj


class BadParameters(Exception):
    """There are none although there must be, or they cannot be looked for."""


def parameters_of(cluster: Cluster, policy: Obj, binding: Obj, call: Call) -> Sequence[Obj | None]:
    """The objects that the policy is evaluated with, one after the other.

    One None when it takes none; nothing at all when there are none and that is allowed.

    :raises BadParameters: when it must not be evaluated without.
    """
    wanted, reference = policy.get("paramKind"), binding.get("paramRef")
    if not wanted or not reference:
        return [None]
    kind = cluster.registry.by_kind(str(wanted.get("apiVersion")), str(wanted.get("kind")))
    if kind is None:
        raise BadParameters(
            "failed to configure policy: failed to find resource referenced by paramKind: "
            f"'{wanted.get('apiVersion')}, Kind={wanted.get('kind')}'"
        )
    found = _found(cluster, kind, reference, _namespace(kind, reference, call))
    if not found and reference.get("parameterNotFoundAction") != "Allow":
        raise BadParameters(
            "failed to configure binding: no params found for policy binding with `Deny` "
            "parameterNotFoundAction"
        )
    return found


def _namespace(kind: Kind, reference: Obj, call: Call) -> str:
    if not kind.namespaced:
        return ""
    namespace = str(reference.get("namespace") or call.namespace)
    if not namespace:
        raise BadParameters(
            "failed to configure binding: cannot use namespaced paramRef in policy binding that "
            "matches cluster-scoped resources"
        )
    return namespace


def _found(cluster: Cluster, kind: Kind, reference: Obj, namespace: str) -> list[Obj | None]:
    if reference.get("name"):
        record = cluster.store.get(kind.collection, namespace, str(reference["name"]))
        return [cluster.shown(kind, record)] if record is not None else []
    selector = selector_of(reference.get("selector") or {})
    records = cluster.store.collection(kind.collection).select(namespace or None)
    return [cluster.shown(kind, r) for r in records if selector.matches(r.labels)]
