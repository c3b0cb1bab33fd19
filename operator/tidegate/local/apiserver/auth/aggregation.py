"""ClusterRoles that are made of others: their rules follow those of the roles they select."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver.auth.authorizer import CLUSTER_ROLES
from tidegate.local.apiserver.selectors import selector_of

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event


class RoleAggregation:
    """Follows every ClusterRole."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def load(self) -> None:
        """Bring all of them up to date. A role may be made of one that is made of others."""
        roles = [r.decode() for r in self._cluster.store.collection(CLUSTER_ROLES).select(None)]
        changed = True
        while changed:
            # Ends: a role is only ever given what selected roles have, and those are finite.
            changed = any(self._aggregate(role, roles) for role in roles)

    def on_event(self, event: Event) -> None:
        """React to one change in the store."""
        if event.record.collection == CLUSTER_ROLES:
            self.load()

    def _aggregate(self, role: Obj, roles: list[Obj]) -> bool:
        """Give a role the rules of those that it selects; whether that changed it."""
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
        if not selectors or role["metadata"].get("deletionTimestamp"):
            return False
        wanted = [selector_of(one) for one in selectors]
        rules: list[Obj] = []
        for other in roles:
            labels = other["metadata"].get("labels") or {}
            if other is not role and any(one.matches(labels) for one in wanted):
                rules += [r for r in other.get("rules") or () if r not in rules]
        # In whatever order: roles that are made of each other would never agree on one.
        if _set(rules) == _set(role.get("rules") or []):
            return False
        role["rules"] = rules
        stored = self._cluster.store.put(CLUSTER_ROLES, role)
        role["metadata"]["resourceVersion"] = str(stored.revision)
        return True


def _set(rules: list[Obj]) -> set[bytes]:
    return {orjson.dumps(rule, option=orjson.OPT_SORT_KEYS) for rule in rules}
