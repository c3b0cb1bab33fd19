"""Checks the expressions of a policy against the schemas of what it is about.

What it finds stands in `status.typeChecking` as warnings: the policy counts all the same, as on a
real server, whose controller writes this status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import machinery
from tidegate.local.apiserver.admission.expressions import POLICY_VARIABLES, problem_of
from tidegate.local.apiserver.admission.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event

_MANAGER = "kube-controller-manager"


class TypeChecking:
    """Follows every policy."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def on_event(self, event: Event) -> None:
        """React to one change in the store."""
        if event.record.collection != POLICIES or event.type == "DELETED":
            return
        record = self._cluster.store.get(POLICIES, "", event.record.name)
        if record is None:
            return
        policy = record.decode()
        generation = policy["metadata"].get("generation")
        if (policy.get("status") or {}).get("observedGeneration") == generation:
            return
        kind = self._cluster.registry.for_collection(POLICIES)
        assert kind is not None, "policies are built in"
        status = {"observedGeneration": generation, "typeChecking": self._checked(policy)}
        self._cluster.store.put(
            POLICIES,
            machinery.track(
                policy,
                {**policy, "status": status},
                manager=_MANAGER,
                schema=kind.schema(),
                subresource="status",
                now=self._cluster.clock(),
            ),
        )

    def _checked(self, policy: Obj) -> Obj:
        warnings = [
            {"fieldRef": where, "warning": "\n".join(problems)}
            for where, expression in _expressions(policy["spec"])
            if (problems := list(self._problems(policy["spec"], expression)))
        ]
        return {"expressionWarnings": warnings} if warnings else {}

    def _problems(self, spec: Obj, expression: str) -> Iterator[str]:
        for kind in self._kinds(spec):
            problem = problem_of(expression, POLICY_VARIABLES, kind.schema())
            if problem:
                yield f"{kind.api_version}, Kind={kind.kind}: {problem}"

    def _kinds(self, spec: Obj) -> list[Kind]:
        """The kinds that the policy names outright; what it only matches is not checked."""
        found: list[Kind] = []
        for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
            for group in rule.get("apiGroups") or ():
                for version in rule.get("apiVersions") or ():
                    for plural in rule.get("resources") or ():
                        kind = self._cluster.registry.find(group, version, plural)
                        if kind is not None and kind not in found:
                            found.append(kind)
        return found


def _expressions(spec: Obj) -> Iterator[tuple[str, str]]:
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            if validation.get(field):
                yield f"spec.validations[{index}].{field}", str(validation[field])
