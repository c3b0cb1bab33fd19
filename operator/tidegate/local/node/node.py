"""The node: runs the pods that are bound to it as processes of this machine.

Owns the pods' runners, their folders and addresses, and the one Node object. At rest it writes
nothing: no heartbeat, no lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from typing import TYPE_CHECKING

import aiohttp

from tidegate.errors import AlreadyExists, KubeError
from tidegate.kube.events import Recorder
from tidegate.kube.objects import name_of, namespace_of, uid_of
from tidegate.kube.resources import ENDPOINTSLICES, NODES, PODS
from tidegate.local.node import node_object
from tidegate.local.node.addresses import Addresses
from tidegate.local.node.isolation import Permissions
from tidegate.local.node.logs import NodeLogs
from tidegate.local.node.meter import Meter
from tidegate.local.node.pod import MANAGER, Means, PodRunner
from tidegate.local.node.preparation import KubeconfigFor, Preparation, TokenFor
from tidegate.local.node.records import Records
from tidegate.local.node.rotation import Rotation
from tidegate.local.node.surroundings import PodPlace, Timing
from tidegate.local.node.telling import Teller
from tidegate.local.workloads.mirror import Mirror
from tidegate.local.workloads.run import NODE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.local.node.images import Images

_STOP_GRACE_S = 5.0
_LOG_CHECK_EVERY_S = 60.0
_LOG_LIMIT_BYTES = 64 * 1024 * 1024

log = logging.getLogger(__name__)


class Node:
    """Runs pods under `directory`: `pods/<uid>`, `claims/<namespace>/<claim>`, `processes/`."""

    def __init__(
        self,
        client: Client,
        images: Images,
        directory: Path,
        *,
        name: str = NODE_NAME,
        kubeconfig_for: KubeconfigFor | None = None,
        token_for: TokenFor | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._client, self._images, self._directory, self._name = client, images, directory, name
        self._kubeconfig_for = kubeconfig_for
        self._token_for = token_for
        self._timing = timing or Timing()
        self._mirror = Mirror(client, (PODS, ENDPOINTSLICES))
        self._rotation = Rotation(self._mirror, self._timing)
        self._permissions = Permissions()
        self._addresses = Addresses(seed=str(directory.absolute()))
        self._runners: dict[str, PodRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._means: Means | None = None
        self.logs = NodeLogs(self._find)
        """The log provider for the API server."""
        self.meter = Meter(self._find)
        """What measures pods for autoscalers."""

    async def run(self, *, started: asyncio.Event | None = None) -> None:
        """Run pods until cancelled; then end their processes (SIGTERM, 5 s, SIGKILL).

        `started` is set once the Node object stands and the pods that are there are taken over.
        """
        records = Records(self._directory / "processes")
        for what in await asyncio.to_thread(records.end_leftovers):
            log.info("ended a leftover process", extra={"fields": {"container": what}})
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0)
        ) as session:
            teller = Teller(Recorder(self._client, "kubelet", reporting="kubelet"))
            self._means = Means(
                client=self._client,
                mirror=self._mirror,
                teller=teller,
                session=session,
                records=records,
                timing=self._timing,
                out_of_rotation=self._rotation.left,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._mirror.run(), name="node: mirror")
                    tasks.create_task(teller.run(), name="node: events")
                    await self._register()
                    await self._mirror.synced()
                    await self._take_over()
                    if started is not None:
                        started.set()
                    tasks.create_task(self._trim_logs(), name="node: log trimming")
            finally:
                await self._stop_all()

    async def _register(self) -> None:
        """Write the Node object, or wait until it can be written."""
        pause = 0.2
        while True:
            try:
                await self._write_node()
            except KubeError as error:
                log.debug("node was not registered", extra={"fields": {"error": str(error)}})
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
            else:
                return

    async def _write_node(self) -> None:
        with contextlib.suppress(AlreadyExists):
            await self._client.create(NODES, node_object.node(self._name), manager=MANAGER)
        current = await self._client.get(NODES, self._name)
        status = node_object.status(
            self._name, previous=current.get("status") or {}, now=self._client.clock.now()
        )
        await self._client.patch(
            NODES, self._name, {"status": status}, manager=MANAGER, subresource="status"
        )

    async def _take_over(self) -> None:
        self._mirror.on_change(PODS, self._pod_changed)
        mine = [pod for pod in self._mirror.every(PODS) if self._is_mine(pod)]
        await asyncio.to_thread(self._forget_folders, {uid_of(pod) for pod in mine})
        for pod in mine:
            self._pod_changed(pod)

    def _forget_folders(self, known: set[str]) -> None:
        """Remove the folders of pods that were deleted while no node ran."""
        pods = self._directory / "pods"
        pods.mkdir(parents=True, exist_ok=True)
        for folder in pods.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _is_mine(self, pod: Object) -> bool:
        return bool(pod["spec"].get("nodeName") == self._name)

    def _pod_changed(self, pod: Object) -> None:
        if not self._is_mine(pod):
            return
        current = self._mirror.get(PODS, namespace_of(pod), name_of(pod))
        runner = self._runners.get(uid_of(pod))
        if current is None or uid_of(current) != uid_of(pod):
            if runner is not None:
                runner.gone()
        elif runner is not None:
            runner.update(current)
        else:
            self._start(current)

    def _start(self, pod: Object) -> None:
        assert self._means is not None
        uid = uid_of(pod)
        address = self._addresses.take((pod.get("status") or {}).get("podIP"))
        preparation = Preparation(
            client=self._client,
            images=self._images,
            pod=pod,
            place=PodPlace(self._directory / "pods" / uid),
            claims=self._directory / "claims" / (namespace_of(pod) or ""),
            address=address,
            machine=node_object.machine(),
            kubeconfig_for=self._kubeconfig_for,
            token_for=self._token_for,
            permissions=self._permissions,
        )
        runner = PodRunner(pod, self._means, preparation)
        self._runners[uid] = runner
        self._tasks[uid] = asyncio.create_task(
            self._run(uid, runner), name=f"pod {namespace_of(pod)}/{name_of(pod)}"
        )

    async def _run(self, uid: str, runner: PodRunner) -> None:
        try:
            await runner.run()
            if runner.was_removed:
                await asyncio.to_thread(
                    shutil.rmtree, self._directory / "pods" / uid, ignore_errors=True
                )
        except Exception:
            # One pod's fault, or ours: the others go on.
            log.exception("a pod's runner failed", extra={"fields": {"uid": uid}})
        finally:
            self._addresses.release(runner.address)
            self._runners.pop(uid, None)
            self._tasks.pop(uid, None)

    async def _stop_all(self) -> None:
        tasks = list(self._tasks.values())
        for runner in list(self._runners.values()):
            runner.halt(grace_s=_STOP_GRACE_S)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_GRACE_S + 2.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, namespace: str, name: str) -> PodRunner | None:
        pod = self._mirror.get(PODS, namespace, name)
        return self._runners.get(uid_of(pod)) if pod is not None else None

    async def _trim_logs(self) -> None:
        """Empty logs that grow too large, so that no container fills the disk."""
        while True:
            await asyncio.sleep(_LOG_CHECK_EVERY_S)
            await asyncio.to_thread(self._trim_once)

    def _trim_once(self) -> None:
        for path in (self._directory / "pods").glob("*/containers/*/*.log"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > _LOG_LIMIT_BYTES:
                    # Opened for appending by the container, so it goes on at the new end.
                    os.truncate(path, 0)
