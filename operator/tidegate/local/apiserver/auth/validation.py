"""What a role or binding must be, beyond its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.auth.authorizer import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    ROLES,
)
from tidegate.local.apiserver.errors import cause, invalid_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.local.apiserver.messages import Obj

_SUBJECT_GROUPS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def _role(obj: Obj, old: Obj | None) -> list[Obj]:
    return list(_rules(obj, namespaced=True))


def _cluster_role(obj: Obj, old: Obj | None) -> list[Obj]:
    return list(_rules(obj, namespaced=False))


def _rules(obj: Obj, *, namespaced: bool) -> Iterator[Obj]:
    for index, rule in enumerate(obj.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            yield _required(f"{where}.verbs", "verbs must contain at least one value")
        paths = rule.get("nonResourceURLs")
        if not paths:
            if not rule.get("apiGroups"):
                why = "resource rules must supply at least one api group"
                yield _required(f"{where}.apiGroups", why)
            if not rule.get("resources"):
                why = "resource rules must supply at least one resource"
                yield _required(f"{where}.resources", why)
        elif namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield _wrong(f"{where}.nonResourceURLs", paths, why)
        elif any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield _wrong(f"{where}.nonResourceURLs", paths, why)


def _role_binding(obj: Obj, old: Obj | None) -> list[Obj]:
    return list(_binding(obj, old, ("Role", "ClusterRole")))


def _cluster_role_binding(obj: Obj, old: Obj | None) -> list[Obj]:
    return list(_binding(obj, old, ("ClusterRole",)))


def _binding(obj: Obj, old: Obj | None, kinds: tuple[str, ...]) -> Iterator[Obj]:
    reference = obj.get("roleRef") or {}
    if old is not None and old.get("roleRef") != reference:
        yield _wrong("roleRef", reference, "cannot change roleRef")
    if reference.get("apiGroup") != GROUP:
        yield _unsupported("roleRef.apiGroup", reference.get("apiGroup"), (GROUP,))
    if reference.get("kind") not in kinds:
        yield _unsupported("roleRef.kind", reference.get("kind"), kinds)
    if not reference.get("name"):
        yield _required("roleRef.name", "")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=len(kinds) > 1)


def _subject(subject: Obj, where: str, *, namespaced: bool) -> Iterator[Obj]:
    kind = subject.get("kind")
    if not subject.get("name"):
        yield _required(f"{where}.name", "")
    if kind not in _SUBJECT_GROUPS:
        yield _unsupported(f"{where}.kind", kind, tuple(_SUBJECT_GROUPS))
        return
    wanted = _SUBJECT_GROUPS[kind]
    if (subject.get("apiGroup") or "") != wanted:
        yield _unsupported(f"{where}.apiGroup", subject.get("apiGroup"), (wanted,))
    if kind == "ServiceAccount" and not namespaced and not subject.get("namespace"):
        yield _required(f"{where}.namespace", "")


def _required(field: str, why: str) -> Obj:
    text = f"Required value: {why}" if why else "Required value"
    return cause(field, "FieldValueRequired", text)


def _wrong(field: str, value: object, why: str) -> Obj:
    return cause(field, "FieldValueInvalid", invalid_value(value, why))


def _unsupported(field: str, value: object, values: tuple[str, ...]) -> Obj:
    listed = ", ".join(f'"{one}"' for one in values)
    text = f'Unsupported value: "{value or ""}": supported values: {listed}'
    return cause(field, "FieldValueNotSupported", text)


RULES: dict[str, Callable[[Obj, Obj | None], list[Obj]]] = {
    ROLES: _role,
    CLUSTER_ROLES: _cluster_role,
    BINDINGS: _role_binding,
    CLUSTER_BINDINGS: _cluster_role_binding,
}
"""What refuses an object of a collection."""
