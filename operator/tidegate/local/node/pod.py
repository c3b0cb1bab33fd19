"""Runs one pod from its binding to its deletion: volumes, init containers, containers, the end.

Owns the order of things, and writes the pod's status whenever it differs from what stands there.
What the status says is decided in `pod_status.py`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.errors import Conflict, KubeError, NotFound
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of, uid_of
from tidegate.kube.resources import PODS
from tidegate.local.node import pod_status
from tidegate.local.node.container import Container
from tidegate.local.node.refusals import ConfigProblem, refusal
from tidegate.local.node.states import CONTAINER_CREATING, POD_INITIALIZING
from tidegate.local.workloads.pods import is_finished
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import aiohttp

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.local.node.preparation import Preparation
    from tidegate.local.node.process import Identity
    from tidegate.local.node.records import Records
    from tidegate.local.node.states import Snapshot
    from tidegate.local.node.surroundings import PodPlace, Timing
    from tidegate.local.node.telling import Teller
    from tidegate.local.workloads.mirror import Mirror

MANAGER = "kubelet"
_DEFAULT_GRACE_S = 30
_FIRST_RETRY_S = 0.2
_LONGEST_RETRY_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What the node lends to its pods. `out_of_rotation` waits until nobody sends to a pod."""

    client: Client
    mirror: Mirror
    teller: Teller
    session: aiohttp.ClientSession
    records: Records
    timing: Timing
    out_of_rotation: Callable[[Object, float], Awaitable[None]]


class PodRunner:
    """One pod on this node."""

    def __init__(self, pod: Object, means: Means, preparation: Preparation) -> None:
        self._pod, self._means, self._preparation = pod, means, preparation
        self._clock = means.client.clock
        spec = pod["spec"]
        self._policy = str(spec.get("restartPolicy") or "Always")
        init_policy = "Never" if self._policy == "Never" else "OnFailure"
        self._init = self._containers(spec.get("initContainers") or [], policy=init_policy)
        self._mains = self._containers(spec["containers"], policy=self._policy)
        status = pod.get("status") or {}
        self._started_at = str(status.get("startTime") or stamp(self._clock.now()))
        self._prepared = False
        self._refusal = ""
        self._ending = asyncio.Event()
        self._gone = False
        self._halted = False
        self._dirty = asyncio.Event()
        self._grace_s: float | None = None

    @property
    def place(self) -> PodPlace:
        """Where the pod keeps its files."""
        return self._preparation.place

    @property
    def was_removed(self) -> bool:
        """Tell whether the pod is no more, so that its files can go."""
        return not self._halted

    def default_container(self) -> str | None:
        """Return the container that is meant when none is named; None if that is not clear."""
        annotations = self._pod["metadata"].get("annotations") or {}
        if named := annotations.get("kubectl.kubernetes.io/default-container"):
            return str(named)
        return self._mains[0].name if len(self._mains) == 1 else None

    @property
    def address(self) -> str:
        """The pod's own address."""
        return self._preparation.address

    def snapshots(self) -> dict[str, Snapshot]:
        """Return the states of all containers, by name."""
        return {found.name: found.snapshot() for found in (*self._init, *self._mains)}

    def processes(self) -> dict[str, Identity]:
        """Return the processes of the containers that run now, by container."""
        return {found.name: found.process for found in self._mains if found.process is not None}

    def update(self, pod: Object) -> None:
        """Take in a newer version of the pod; a deletion ends it."""
        self._pod = pod
        if is_being_deleted(pod):
            self._end(self._asked_grace(pod))

    def gone(self) -> None:
        """The object is no more: end without asking the API server for anything."""
        self._gone = True
        self._end(0)

    async def run(self) -> None:
        """Run until the pod has been deleted, or the node is told to stop."""
        try:
            await self._run()
        finally:
            await self._preparation.close()

    async def _run(self) -> None:
        if is_being_deleted(self._pod):
            self._end(self._asked_grace(self._pod))
        self._take_over()
        if is_finished(self._pod):
            await self._ending.wait()
            await self._remove()
            return
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(self._publish_for_ever())
            living = tasks.create_task(self._live())
            await self._ending.wait()
            await self._stop_containers(living)
            publishing.cancel()
        await self._publish_last()
        await self._remove()

    def halt(self, *, grace_s: float) -> None:
        """End the processes because the node stops; the pod stays in the API, to be run again."""
        self._gone = self._halted = True
        for container in (*self._init, *self._mains):
            container.stop(grace_s=grace_s)
        self._end(grace_s)

    def _containers(
        self, specs: Sequence[Mapping[str, Any]], *, policy: str
    ) -> tuple[Container, ...]:
        where = f"{namespace_of(self._pod)}/{name_of(self._pod)}"
        return tuple(
            Container(
                spec,
                what=f"{where}/{spec['name']}",
                policy=policy,
                address=self._preparation.address,
                grace_s=float(
                    self._pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)
                ),
                place=self._preparation.place.container(spec["name"]),
                prepare=self._preparation.container,
                tell=self._tell,
                on_change=self._dirty_now,
                session=self._means.session,
                records=self._means.records,
                clock=self._clock,
                timing=self._means.timing,
            )
            for spec in specs
        )

    def _take_over(self) -> None:
        """Begin where an earlier node left off: what ran is lost, and counted as ended."""
        status = self._pod.get("status") or {}
        for mine, key in (
            (self._init, "initContainerStatuses"),
            (self._mains, "containerStatuses"),
        ):
            before = {found["name"]: found for found in status.get(key) or []}
            for container in mine:
                if container.name in before:
                    container.take_over(before[container.name])

    async def _live(self) -> None:
        refused = refusal(self._pod)
        if refused is not None:
            self._refusal = refused
            self._dirty_now()
            self._tell(reason="Refused", note=refused, warning=True)
            return
        if not any(container.will_run() for container in self._mains):
            self._dirty_now()
            return
        if not await self._make_volumes() or not await self._initialize():
            return
        for container in self._mains:
            container.wait_for(CONTAINER_CREATING)
        async with asyncio.TaskGroup() as tasks:
            for container in self._mains:
                tasks.create_task(container.run())

    async def _make_volumes(self) -> bool:
        told = ""
        pause = self._means.timing.config_retry_s
        self._dirty_now()
        while not self._ending.is_set():
            try:
                await self._preparation.make_volumes()
            except (ConfigProblem, KubeError, OSError) as problem:
                if str(problem) != told:
                    told = str(problem)
                    note = f"MountVolume.SetUp failed: {told}"
                    self._tell(reason="FailedMount", note=note, warning=True)
                await self._pause(pause)
            else:
                self._prepared = True
                return True
        return False

    async def _initialize(self) -> bool:
        """Run the init containers, one after the other; False when one failed for good."""
        for container in self._init:
            container.rerun()
        for container in (*self._init, *self._mains):
            container.wait_for(POD_INITIALIZING if self._init else CONTAINER_CREATING)
        for container in self._init:
            await container.run()
            if self._ending.is_set() or not pod_status.succeeded(container.snapshot()):
                self._dirty_now()
                return False
        return not self._ending.is_set()

    def _end(self, grace_s: float) -> None:
        if self._grace_s is None or grace_s < self._grace_s:
            self._grace_s = grace_s
            if self._ending.is_set():
                for container in (*self._init, *self._mains):
                    container.stop(grace_s=grace_s)
        self._ending.set()

    def _asked_grace(self, pod: Mapping[str, Any]) -> float:
        asked = pod["metadata"].get("deletionGracePeriodSeconds")
        if asked is None:
            asked = pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)
        return float(asked)

    async def _stop_containers(self, living: asyncio.Task[None]) -> None:
        grace_s = max(self._grace_s or 0.0, self._means.timing.shortest_grace_s)
        if not self._gone:
            before = self._clock.monotonic()
            await self._means.out_of_rotation(self._pod, grace_s)
            grace_s -= self._clock.monotonic() - before
            grace_s = max(grace_s, self._means.timing.shortest_grace_s)
        for container in (*self._init, *self._mains):
            container.stop(grace_s=grace_s)
        await living

    async def _remove(self) -> None:
        """Tell the API server that nothing of the pod is left."""
        pause = _FIRST_RETRY_S
        while not self._gone:
            try:
                await self._means.client.delete(
                    PODS,
                    name_of(self._pod),
                    namespace=namespace_of(self._pod),
                    uid=uid_of(self._pod),
                    grace_period_seconds=0,
                )
            except (NotFound, Conflict):
                return
            except KubeError as error:
                log.debug("pod was not removed yet", extra={"fields": {"error": str(error)}})
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, _LONGEST_RETRY_S)
            else:
                return

    def _dirty_now(self) -> None:
        self._dirty.set()

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the pod is told to end meanwhile."""
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({ending}, timeout=seconds)
        ending.cancel()

    async def _publish_for_ever(self) -> None:
        pause = _FIRST_RETRY_S
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._publish()
                pause = _FIRST_RETRY_S
            except (NotFound, Conflict):
                # Gone, or another pod has its name: the watch is about to tell.
                continue
            except KubeError as error:
                log.debug("status was not written", extra={"fields": {"error": str(error)}})
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, _LONGEST_RETRY_S)
                self._dirty.set()

    async def _publish_last(self) -> None:
        if self._gone:
            return
        try:
            await self._publish()
        except KubeError as error:
            log.debug("last status was not written", extra={"fields": {"error": str(error)}})

    async def _publish(self) -> None:
        """Write the status if it differs; what is no longer in it is removed.

        Not when the node stops: the pod has not ended, it is to be run again.
        """
        if self._halted:
            return
        current = self._means.mirror.get(PODS, namespace_of(self._pod), name_of(self._pod))
        pod = current if current and uid_of(current) == uid_of(self._pod) else self._pod
        live = pod.get("status") or {}
        wanted = pod_status.status(self._facts(pod), previous=live, now=self._clock.now())
        if wanted == live:
            return
        removed = dict.fromkeys(key for key in live if key not in wanted)
        answer = await self._means.client.patch(
            PODS,
            name_of(pod),
            {"metadata": {"uid": uid_of(pod)}, "status": {**removed, **wanted}},
            namespace=namespace_of(pod),
            manager=MANAGER,
            subresource="status",
        )
        self._means.mirror.seen(PODS, answer)

    def _facts(self, pod: Object) -> pod_status.PodFacts:
        return pod_status.PodFacts(
            init=tuple(found.snapshot() for found in self._init),
            containers=tuple(found.snapshot() for found in self._mains),
            restart_policy=self._policy,
            address=self._preparation.address,
            started_at=self._started_at,
            generation=int(pod["metadata"].get("generation", 1)),
            prepared=self._prepared,
            stopping=self._ending.is_set(),
            reason="Refused" if self._refusal else "",
            message=self._refusal,
        )

    def _tell(self, *, reason: str, note: str, warning: bool = False) -> None:
        self._means.teller.tell(self._pod, reason=reason, note=note, warning=warning)
