"""The gateway part: follows the objects, translates them, hands them to Envoy, writes statuses.

One task looks at everything; events only say that something changed. Statuses are written after
Envoy has answered, so that `Programmed` is true only of what Envoy serves.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidegate.errors import KubeError, NotFound, Unreachable
from tidegate.kube.follow import follow
from tidegate.kube.resources import (
    ENDPOINTSLICES,
    GATEWAYCLASSES,
    GATEWAYS,
    HTTPROUTES,
    NAMESPACES,
    SERVICES,
    Resource,
)
from tidegate.local.gateway.attachment import CONTROLLER_NAME
from tidegate.local.gateway.conditions import ACCEPTED, Condition, render
from tidegate.local.gateway.last_good import LastGood
from tidegate.local.gateway.snapshot import Obj, Snapshot, name_of, namespace_of
from tidegate.local.gateway.statuses import gateway_status, route_status, same_status

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.kube.client import Client, WatchEvent
    from tidegate.local.gateway.last_good import Served
    from tidegate.local.gateway.xds import XdsWriter

MANAGER = "tidegate-gateway"
CLASS_NAME = "tidegate"
_RESOURCES = (GATEWAYCLASSES, GATEWAYS, HTTPROUTES, SERVICES, ENDPOINTSLICES, NAMESPACES)
_FIRST_RETRY_S = 0.02
_LONGEST_RETRY_S = 2.0
_REJECTED_RETRY_S = 10.0
_log = logging.getLogger(__name__)


class GatewayController:
    """Makes Envoy serve what the API server's Gateway API objects say."""

    def __init__(self, client: Client, writer: XdsWriter, *, root: Path) -> None:
        """`root` is the folder that the writer owns."""
        self._client = client
        self._last_good = LastGood(writer, root=root)
        self._objects: dict[Resource, dict[tuple[str, str], Obj]] = {r: {} for r in _RESOURCES}
        self._listed: set[Resource] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow and serve until cancelled. Raises nothing that waiting can mend."""
        async with asyncio.TaskGroup() as tasks:
            for resource in _RESOURCES:
                tasks.create_task(self._follow(resource))
            tasks.create_task(self._serve())

    async def _follow(self, resource: Resource) -> None:
        async def on_event(event: WatchEvent) -> None:
            key = namespace_of(event.object), name_of(event.object)
            if event.type == "DELETED":
                self._objects[resource].pop(key, None)
            else:
                self._objects[resource][key] = event.object
            self._changed.set()

        async def on_listed() -> None:
            self._listed.add(resource)
            self._changed.set()

        await follow(self._client, resource, on_event=on_event, on_listed=on_listed)

    async def _serve(self) -> None:
        pause: float | None = None
        failures = 0
        rejected = False
        while True:
            changed = await self._wait(pause)
            # Before the first list of every kind, what is absent is only not known yet: to serve
            # that would take routes and endpoints away from requests in flight.
            if len(self._listed) < len(_RESOURCES):
                continue
            try:
                rejected = await self._once(again=rejected and not changed)
            except (KubeError, Unreachable) as error:
                failures += 1
                pause = min(_FIRST_RETRY_S * 2**failures, _LONGEST_RETRY_S)
                if pause == _LONGEST_RETRY_S:
                    # A few tries are usual: Envoy and the API server start at the same time.
                    _log.warning("not served yet", extra={"fields": {"error": str(error)}})
            else:
                failures = 0
                pause = _REJECTED_RETRY_S if rejected else None

    async def _wait(self, timeout: float | None) -> bool:
        """Wait for a change; False when the time was up first."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _once(self, *, again: bool) -> bool:
        """Serve what is known now. Returns whether Envoy refused a part of it."""
        await self._ensure_class()
        served = await self._last_good.serve(self._snapshot(), again=again)
        for name, why in {**served.rejected, **served.held}.items():
            fields = {"resource": name, "why": why}
            _log.warning("Envoy refused a resource", extra={"fields": fields})
        await self._report(served)
        return bool(served.rejected)

    def _snapshot(self) -> Snapshot:
        classes, gateways, routes, services, slices, namespaces = (
            tuple(self._objects[resource].values()) for resource in _RESOURCES
        )
        return Snapshot(classes, gateways, routes, services, slices, namespaces)

    async def _ensure_class(self) -> None:
        """The class `tidegate` is always there, and says that it is accepted."""
        live = self._objects[GATEWAYCLASSES].get(("", CLASS_NAME))
        if live is None:
            wanted: Obj = {
                "apiVersion": GATEWAYCLASSES.api_version,
                "kind": GATEWAYCLASSES.kind,
                "metadata": {"name": CLASS_NAME},
                "spec": {"controllerName": CONTROLLER_NAME},
            }
            live = await self._client.apply(GATEWAYCLASSES, wanted, manager=MANAGER)
            self._objects[GATEWAYCLASSES]["", CLASS_NAME] = live
        if live["spec"].get("controllerName") != CONTROLLER_NAME:
            return
        conditions = render(
            [Condition(ACCEPTED, ok=True, reason="Accepted", message="served by local Envoy")],
            existing=(live.get("status") or {}).get("conditions") or (),
            generation=int(live["metadata"].get("generation") or 0),
            now=_now(),
        )
        await self._write_status(GATEWAYCLASSES, live, {"conditions": conditions})

    async def _report(self, served: Served) -> None:
        now, rejected = _now(), served.rejected
        for gateway in served.translation.gateways:
            status = gateway_status(
                gateway, translation=served.translation, rejected=rejected, now=now
            )
            await self._write_status(GATEWAYS, gateway, status)
        for verdict in served.translation.routes:
            held = served.held.get(verdict.route["metadata"]["uid"])
            status = route_status(verdict, rejected=rejected, now=now, held=held)
            await self._write_status(HTTPROUTES, verdict.route, status)

    async def _write_status(self, resource: Resource, live: Obj, status: Obj) -> None:
        if same_status(live.get("status") or {}, status):
            return
        metadata = {
            key: live["metadata"][key]
            for key in ("name", "namespace", "uid")
            if key in live["metadata"]
        }
        body: Obj = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "status": status,
        }
        try:
            written = await self._client.apply_status(resource, body, manager=MANAGER)
        except NotFound:
            return
        # Until the watch shows it, this is the newest that is known: it is not written twice.
        key = namespace_of(live), name_of(live)
        if self._objects[resource].get(key) is live:
            self._objects[resource][key] = written


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
