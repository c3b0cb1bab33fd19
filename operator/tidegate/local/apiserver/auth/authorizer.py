"""Who may do what: the roles and bindings in the store, resolved once and kept until one changes.

Members of `system:masters` may do everything, whatever is stored. Everybody else may do what some
rule of some role that is bound to them allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tidegate.local.apiserver.auth.rules import Rule, rules_of
from tidegate.local.apiserver.messages import MASTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.apiserver.auth.attributes import Attributes
    from tidegate.local.apiserver.messages import Obj, User
    from tidegate.local.apiserver.store import Record, Store

GROUP = "rbac.authorization.k8s.io"
ROLES = f"{GROUP}/roles"
CLUSTER_ROLES = f"{GROUP}/clusterroles"
BINDINGS = f"{GROUP}/rolebindings"
CLUSTER_BINDINGS = f"{GROUP}/clusterrolebindings"
_COLLECTIONS = (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)
# Decisions are forgotten all at once: the next ones are soon made again.
_MOST_DECISIONS = 20_000
_ACCOUNT = "system:serviceaccount:"


class Decision(NamedTuple):
    """Whether somebody may, and what says so, or what is wrong with the roles."""

    allowed: bool
    reason: str = ""


class Grant(NamedTuple):
    """One rule that applies to somebody, and the binding that makes it apply."""

    rule: Rule
    source: str


@dataclass
class _Grants:
    """What one user was given: everywhere, and in single namespaces."""

    everywhere: list[Grant] = field(default_factory=list)
    within: dict[str, list[Grant]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    """Bindings to roles that are not there, by namespace; empty name for the whole cluster."""


type _Who = tuple[str, tuple[str, ...], bool]


class Authorizer:
    """Decides from the roles and bindings of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collections = [store.collection(name) for name in _COLLECTIONS]
        self._version: list[int] = []
        self._grants: dict[_Who, _Grants] = {}
        self._decisions: dict[tuple[_Who, Attributes], Decision] = {}

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Whether the user may do that."""
        if MASTERS in user.groups:
            return Decision(allowed=True)
        self._refresh()
        key = ((user.name, user.groups, user.known), wanted)
        known = self._decisions.get(key)
        if known is None:
            if len(self._decisions) >= _MOST_DECISIONS:
                self._decisions.clear()
            known = self._decisions[key] = self._decided(user, wanted)
        return known

    def rules_for(self, user: User, namespace: str) -> list[Rule]:
        """Every rule that applies to the user in a namespace; empty for the whole cluster."""
        if MASTERS in user.groups:
            return [Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",))]
        self._refresh()
        granted = self._granted(user)
        return [g.rule for g in (*granted.everywhere, *granted.within.get(namespace, ()))]

    def role(self, reference: Obj, namespace: str) -> Record | None:
        """The role that a binding refers to; None when it is not there."""
        name = str(reference.get("name") or "")
        if reference.get("kind") == "ClusterRole":
            return self._store.get(CLUSTER_ROLES, "", name)
        return self._store.get(ROLES, namespace, name)

    def _refresh(self) -> None:
        version = [c.history[-1].revision if c.history else c.floor for c in self._collections]
        if version != self._version:
            self._version = version
            self._grants.clear()
            self._decisions.clear()

    def _decided(self, user: User, wanted: Attributes) -> Decision:
        granted = self._granted(user)
        within = granted.within.get(wanted.namespace, ()) if wanted.namespace else ()
        for grant in (*granted.everywhere, *within):
            if grant.rule.allows(wanted):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant.source}")
        problems = list(granted.problems.get("", ()))
        if wanted.namespace:
            problems += granted.problems.get(wanted.namespace, ())
        if not problems:
            return Decision(allowed=False)
        shown = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        return Decision(allowed=False, reason=f"RBAC: {shown}")

    def _granted(self, user: User) -> _Grants:
        who = (user.name, user.groups, user.known)
        known = self._grants.get(who)
        if known is None:
            if len(self._grants) >= _MOST_DECISIONS:
                self._grants.clear()
            known = self._grants[who] = self._resolved(user)
        return known

    def _resolved(self, user: User) -> _Grants:
        found = _Grants()
        groups = frozenset(user.all_groups())
        for binding, subject in self._bindings_of(user, groups):
            namespace = binding["metadata"].get("namespace", "")
            role = self.role(binding["roleRef"], namespace)
            if role is None:
                found.problems.setdefault(namespace, []).append(_absent(binding["roleRef"]))
                continue
            source = _described(binding, subject)
            grants = [Grant(rule, source) for rule in rules_of(role.decode())]
            if namespace:
                found.within.setdefault(namespace, []).extend(grants)
            else:
                found.everywhere.extend(grants)
        return found

    def _bindings_of(self, user: User, groups: frozenset[str]) -> Iterator[tuple[Obj, Obj]]:
        for name in (CLUSTER_BINDINGS, BINDINGS):
            for record in self._store.collection(name).select(None):
                binding = record.decode()
                for subject in binding.get("subjects") or ():
                    if _is_meant(subject, user, groups, record.namespace):
                        yield binding, subject
                        break


def _is_meant(subject: Obj, user: User, groups: frozenset[str], namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return bool(name == user.name)
    if kind == "Group":
        return name in groups
    if kind == "ServiceAccount":
        return user.name == f"{_ACCOUNT}{subject.get('namespace') or namespace}:{name}"
    return False


def _absent(reference: Obj) -> str:
    return f'{str(reference.get("kind")).lower()}.{GROUP} "{reference.get("name")}" not found'


def _described(binding: Obj, subject: Obj) -> str:
    meta, reference = binding["metadata"], binding["roleRef"]
    namespace = meta.get("namespace", "")
    kind, name = ("RoleBinding", f"{meta['name']}/{namespace}")
    if not namespace:
        kind, name = "ClusterRoleBinding", meta["name"]
    whom = subject["name"]
    if subject["kind"] == "ServiceAccount":
        whom += f"/{subject.get('namespace') or namespace}"
    return (
        f'{kind} "{name}" of {reference["kind"]} "{reference["name"]}" to '
        f'{subject["kind"]} "{whom}"'
    )
