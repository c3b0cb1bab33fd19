"""Keeps the EndpointSlices of Services with a selector; decided in `endpointslice.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import is_being_deleted, labels_of, name_of
from tidegate.kube.resources import ENDPOINTSLICES, PODS, SERVICES
from tidegate.local.workloads import endpointslice as rules

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class EndpointSliceController:
    """Reconciles the slices of one Service at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Write the slices that differ, remove those that no port needs any more."""
        service = self._view.mirror.get(SERVICES, *key)
        if service is None or is_being_deleted(service) or not selects_pods(service):
            return None
        namespace = key[0]
        pods = [pod for pod in self._view.mirror.every(PODS, namespace) if selects(service, pod)]
        live = {
            name_of(found): found
            for found in self._view.mirror.every(ENDPOINTSLICES, namespace)
            if labels_of(found).get(rules.SERVICE_LABEL) == key[1]
            and labels_of(found).get(rules.MANAGED_LABEL) == rules.MANAGED_BY
        }
        for wanted in rules.slices(service, pods):
            await self._write(wanted, live.pop(name_of(wanted), None))
        for surplus in live.values():
            await self._view.delete(ENDPOINTSLICES, surplus)
        return None

    async def _write(self, wanted: Object, live: Object | None) -> None:
        if live is None:
            await self._view.create(ENDPOINTSLICES, wanted)
        elif not rules.same_slice(live, wanted):
            metadata = {**live["metadata"], "labels": wanted["metadata"]["labels"]}
            await self._view.replace(ENDPOINTSLICES, {**wanted, "metadata": metadata})


def selects_pods(service: Object) -> bool:
    """Tell whether the Service's endpoints are found by a selector."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def selects(service: Object, pod: Object) -> bool:
    """Tell whether the Service's selector takes the pod."""
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= labels_of(pod).items()
