"""Keeps the status of PodDisruptionBudgets; decided in `budget.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import controller_of, is_being_deleted, labels_of, uid_of
from tidegate.kube.resources import DEPLOYMENTS, JOBS, PODDISRUPTIONBUDGETS, PODS, REPLICASETS
from tidegate.local.workloads import budget as rules
from tidegate.local.workloads.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View

_SIZED: dict[str, Resource] = {res.kind: res for res in (DEPLOYMENTS, JOBS, REPLICASETS)}


class BudgetController:
    """Reconciles one budget at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Say how many of the budget's pods may be taken away."""
        budget = self._view.mirror.get(PODDISRUPTIONBUDGETS, *key)
        if budget is None or is_being_deleted(budget):
            return None
        pods = [pod for pod in self._view.mirror.every(PODS, key[0]) if guards(budget, pod)]
        guarded = rules.Guarded(pods, self._expected(key[0], pods))
        status = rules.status(budget, guarded, now=self._view.clock.now())
        await self._view.report(PODDISRUPTIONBUDGETS, budget, status)
        return None

    def _expected(self, namespace: str, pods: Iterable[Object]) -> int:
        """The sum of what the pods' controllers want, each counted once; a bare pod counts one."""
        wanted: dict[str, int] = {}
        for pod in pods:
            top = self._controller(namespace, pod)
            if top is None:
                wanted[uid_of(pod)] = 1
            else:
                default = top["spec"].get("parallelism", 1)
                wanted[uid_of(top)] = int(top["spec"].get("replicas", default))
        return sum(wanted.values())

    def _controller(self, namespace: str, pod: Object) -> Object | None:
        """The topmost controller that says how many pods it wants."""
        found: Object | None = None
        while True:
            owner = controller_of(found or pod)
            res = _SIZED.get(str(owner.get("kind"))) if owner else None
            if owner is None or res is None:
                return found
            live = self._view.mirror.get(res, namespace, str(owner["name"]))
            if live is None:
                return found
            found = live


def guards(budget: Object, pod: Object) -> bool:
    """Tell whether the budget's selector takes the pod; an empty one takes all, none takes none."""
    selector = budget["spec"].get("selector")
    return selector is not None and matches(selector, labels_of(pod))
