"""RBAC rules: what one allows, whether some cover another, how they are written in refusals. Pure.

The counterpart of `k8s.io/kubernetes/pkg/apis/rbac` and its validation package.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from tidegate.local.apiserver.strings import go_quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidegate.local.apiserver.auth.attributes import Attributes
    from tidegate.local.apiserver.messages import Obj

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role. No `names` means every name."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def allows(self, wanted: Attributes) -> bool:
        """Whether the rule lets somebody do that."""
        if EVERY not in self.verbs and wanted.verb not in self.verbs:
            return False
        if wanted.path:
            return any(_path_fits(path, wanted.path) for path in self.paths)
        if EVERY not in self.groups and wanted.group not in self.groups:
            return False
        if self.names and wanted.name not in self.names:
            return False
        return self.has_resource(wanted.full_resource, wanted.subresource)

    def has_resource(self, full: str, subresource: str) -> bool:
        """Whether the rule speaks of the resource, or of all of its kind."""
        if EVERY in self.resources or full in self.resources:
            return True
        return bool(subresource) and f"*/{subresource}" in self.resources

    def described(self) -> str:
        """As Go prints it in refusals."""
        parts = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.paths),
            ("ResourceNames", self.names),
            ("Verbs", self.verbs),
        )
        shown = (f"{name}:{quoted_list(values)}" for name, values in parts if values)
        return "{" + ", ".join(shown) + "}"

    def as_object(self) -> Obj:
        """As it stands in a role."""
        fields = (
            ("verbs", self.verbs),
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("nonResourceURLs", self.paths),
        )
        return {name: list(values) for name, values in fields if values}


def quoted_list(values: Iterable[str]) -> str:
    """`["get" "list"]`, as Go's %q prints a list."""
    return "[" + " ".join(go_quoted(value) for value in values) + "]"


def rules_of(role: Obj) -> list[Rule]:
    """The rules of a Role or ClusterRole."""
    return [
        Rule(
            verbs=tuple(rule.get("verbs") or ()),
            groups=tuple(rule.get("apiGroups") or ()),
            resources=tuple(rule.get("resources") or ()),
            names=tuple(rule.get("resourceNames") or ()),
            paths=tuple(rule.get("nonResourceURLs") or ()),
        )
        for rule in role.get("rules") or ()
    ]


def _path_fits(pattern: str, path: str) -> bool:
    if pattern in (EVERY, path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))


def missing(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of `wanted` that no single rule of `owned` covers."""
    return [
        part
        for rule in wanted
        for part in _parts(rule)
        if not any(_covers(own, part) for own in owned)
    ]


def _parts(rule: Rule) -> Iterator[Rule]:
    """The rule as rules of one verb on one thing."""
    names: Sequence[tuple[str, ...]] = [(name,) for name in rule.names] or [()]
    for group, resource, verb in product(rule.groups, rule.resources, rule.verbs):
        for name in names:
            yield Rule((verb,), (group,), (resource,), name)
    for path, verb in product(rule.paths, rule.verbs):
        yield Rule((verb,), paths=(path,))


def _covers(own: Rule, part: Rule) -> bool:
    if not _among(part.verbs, own.verbs):
        return False
    if part.paths:
        return all(any(_path_fits(o, p) for o in own.paths) for p in part.paths)
    if not _among(part.groups, own.groups):
        return False
    if own.names and (not part.names or not set(part.names) <= set(own.names)):
        return False
    resource = part.resources[0]
    _, _, subresource = resource.partition("/")
    return own.has_resource(resource, subresource)


def _among(wanted: Iterable[str], owned: Sequence[str]) -> bool:
    return EVERY in owned or all(one in owned for one in wanted)


def compact(parts: Iterable[Rule]) -> list[Rule]:
    """Parts about the same resource as one rule with several verbs; paths stay as they are."""
    merged: dict[tuple[tuple[str, ...], ...], Rule] = {}
    others: list[Rule] = []
    for part in parts:
        if part.paths:
            others.append(part)
            continue
        key = (part.groups, part.resources, part.names)
        before = merged.get(key, replace(part, verbs=()))
        verbs = tuple(dict.fromkeys((*before.verbs, *part.verbs)))
        merged[key] = replace(before, verbs=verbs)
    return [*merged.values(), *others]
