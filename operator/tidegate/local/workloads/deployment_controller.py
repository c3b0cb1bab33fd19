"""Drives Deployments: gathers its ReplicaSets, asks the pure rules, scales, reports.

What to do is decided in `deployment.py`, what to say in `deployment_status.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.errors import AlreadyExists
from tidegate.kube.objects import (
    controller_of,
    is_being_deleted,
    name_of,
    owner_reference,
    uid_of,
)
from tidegate.kube.resources import DEPLOYMENTS, PODS, REPLICASETS
from tidegate.local.workloads import deployment as sizes
from tidegate.local.workloads import deployment_status as statuses
from tidegate.local.workloads import family as families
from tidegate.local.workloads.template_hash import same_template
from tidegate.local.workloads.view import is_orphan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object
    from tidegate.local.workloads.family import Family
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class DeploymentController:
    """Reconciles one Deployment at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Move one Deployment one step further. Returns when to look for a missed deadline."""
        deployment = self._view.mirror.get(DEPLOYMENTS, *key)
        if deployment is None:
            return None
        found = await self._family(deployment)
        if is_being_deleted(deployment):
            await self._report(found, self._counted(found))
            return None
        paused = statuses.pause_condition(
            deployment.get("status") or {},
            paused=bool(deployment["spec"].get("paused")),
            has_deadline=families.goal(found).deadline_s is not None,
            now=self._view.clock.now(),
        )
        if paused is not None:
            status = {**(deployment.get("status") or {}), "conditions": paused}
            await self._report(found, status)
            return 0
        wanted = families.desired(deployment)
        if wanted.paused or sizes.needs_scaling(wanted, self._sets(found.everything)):
            return await self._resize(found)
        return await self._roll(found)

    async def _family(self, deployment: Object) -> Family:
        mirror = self._view.mirror
        for rs in mirror.every(REPLICASETS, deployment["metadata"]["namespace"]):
            if (
                is_orphan(rs)
                and not is_being_deleted(deployment)
                and families.belongs(rs, deployment)
            ):
                await self._view.adopt(REPLICASETS, rs, owner_reference(deployment))
        return families.family(deployment, mirror.owned(REPLICASETS, deployment))

    def _sets(self, replicasets: Sequence[Object]) -> list[sizes.Set]:
        owned = self._view.mirror.owned
        return [families.as_set(rs, owned(PODS, rs)) for rs in replicasets]

    async def _resize(self, found: Family) -> float | None:
        """The size changed, or the Deployment is paused: nothing is rolled out, only resized."""
        found = await self._annotate(found)
        wanted = families.desired(found.deployment)
        new = self._sets([found.new])[0] if found.new else None
        scales = sizes.rescale(wanted, new=new, olds=self._sets(found.olds))
        found = await self._scale(found, scales)
        if wanted.paused:
            await self._clean_up(found)
        await self._report(found, self._counted(found))
        return None

    async def _roll(self, found: Family) -> float | None:
        wanted = families.desired(found.deployment)
        olds = self._sets(found.olds)
        if found.new is None and sizes.may_create(wanted, olds):
            await self._create_set(found, wanted, olds)
            return 0
        found = await self._annotate(found)
        new = self._sets([found.new])[0] if found.new else None
        scales = sizes.next_scales(wanted, new=new, olds=olds)
        found = await self._scale(found, scales)
        goal, now = families.goal(found), self._view.clock.now()
        status = statuses.rollout_status(
            goal,
            families.counts(found),
            previous=found.deployment.get("status") or {},
            failure=families.replica_failure(found),
            now=now,
        )
        if not scales and statuses.is_complete(goal, status):
            await self._clean_up(found)
        await self._report(found, status)
        return statuses.recheck_in(goal, status, now=now)

    async def _create_set(
        self, found: Family, wanted: sizes.Desired, olds: Sequence[sizes.Set]
    ) -> None:
        deployment = found.deployment
        size = sizes.initial_size(wanted, new=None, others=olds)
        made = families.new_replicaset(found, replicas=size, wanted=wanted)
        try:
            created = await self._view.create(REPLICASETS, made)
        except AlreadyExists:
            await self._name_taken(found, name_of(made))
            return
        if size:
            await self._tell_scaled(deployment, name_of(created), 0, size)
        status: Object = dict(deployment.get("status") or {})
        found = families.Family(deployment, created, found.olds)
        if families.goal(found).deadline_s is not None:
            status["conditions"] = statuses.with_condition(
                status.get("conditions") or [],
                kind=statuses.PROGRESSING,
                state="True",
                reason=statuses.NEW_REPLICASET_CREATED,
                message=f'Created new replica set "{name_of(created)}"',
                now=self._view.clock.now(),
            )
        await self._report(found, status)

    async def _name_taken(self, found: Family, name: str) -> None:
        """Another template has that digest, or our copy does not know our own set yet."""
        deployment = found.deployment
        namespace = deployment["metadata"]["namespace"]
        live = self._view.mirror.get(REPLICASETS, namespace, name)
        controller = controller_of(live) if live else None
        if live is None or (controller or {}).get("uid") == uid_of(deployment):
            template = deployment["spec"]["template"]
            if live is None or same_template(live["spec"]["template"], template):
                raise AlreadyExists(f"ReplicaSet {name} is not in the mirror yet", status=409)
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = int(status.get("collisionCount", 0)) + 1
        await self._report(found, status)

    async def _annotate(self, found: Family) -> Family:
        """Carry annotations and the revision to the new ReplicaSet, and `minReadySeconds`."""
        if found.new is None:
            return found
        have = found.new["metadata"].get("annotations") or {}
        wanted = families.set_annotations(found)
        body: dict[str, Any] = {}
        if not wanted.items() <= have.items():
            body["metadata"] = {"annotations": wanted}
        ready_s = int(found.deployment["spec"].get("minReadySeconds") or 0)
        if ready_s != int(found.new["spec"].get("minReadySeconds") or 0):
            body["spec"] = {"minReadySeconds": ready_s}
        if body:
            new = await self._view.patch(REPLICASETS, found.new, body)
            found = families.Family(found.deployment, new, found.olds)
        status = found.deployment.get("status") or {}
        if (
            families.goal(found).deadline_s is not None
            and statuses.condition_of(status, statuses.PROGRESSING) is None
        ):
            name = name_of(found.new) if found.new else ""
            conditions = statuses.with_condition(
                status.get("conditions") or [],
                kind=statuses.PROGRESSING,
                state="True",
                reason=statuses.FOUND_NEW_REPLICASET,
                message=f'Found new replica set "{name}"',
                now=self._view.clock.now(),
            )
            found = await self._report(found, {**status, "conditions": conditions})
        return found

    async def _scale(self, found: Family, scales: Sequence[sizes.Scale]) -> Family:
        wanted = families.desired(found.deployment)
        marks = families.size_annotations(wanted)
        by_name = {name_of(rs): rs for rs in found.everything}
        for scale in scales:
            rs = by_name[scale.name]
            before = families.size_of(rs)
            have = rs["metadata"].get("annotations") or {}
            if before == scale.replicas and marks.items() <= have.items():
                continue
            body = {"metadata": {"annotations": marks}, "spec": {"replicas": scale.replicas}}
            by_name[scale.name] = await self._view.patch(REPLICASETS, rs, body)
            if before != scale.replicas:
                await self._tell_scaled(found.deployment, scale.name, before, scale.replicas)
        new = by_name[name_of(found.new)] if found.new else None
        olds = tuple(by_name[name_of(rs)] for rs in found.olds)
        return families.Family(found.deployment, new, olds)

    async def _tell_scaled(self, deployment: Object, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        note = f"Scaled {direction} replica set {name} from {before} to {after}"
        await self._view.tell(deployment, reason="ScalingReplicaSet", note=note)

    async def _clean_up(self, found: Family) -> None:
        owned = self._view.mirror.owned
        for rs in families.expired(found, lambda rs: bool(owned(PODS, rs))):
            await self._view.delete(REPLICASETS, rs)

    def _counted(self, found: Family) -> Object:
        return statuses.counted(
            families.goal(found),
            families.counts(found),
            previous=found.deployment.get("status") or {},
            now=self._view.clock.now(),
        )

    async def _report(self, found: Family, status: Mapping[str, Any]) -> Family:
        """Write status and the revision annotation, in one request, if either differs."""
        deployment = found.deployment
        annotations = deployment["metadata"].get("annotations") or {}
        if found.new is not None:
            revision = str(families.next_revision(found))
            annotations = {**annotations, families.REVISION: revision}
        before = deployment["metadata"].get("annotations") or {}
        if annotations != before or deployment.get("status") != status:
            metadata = {**deployment["metadata"], "annotations": annotations}
            body = {**deployment, "metadata": metadata, "status": dict(status)}
            deployment = await self._view.replace(DEPLOYMENTS, body, subresource="status")
        return families.Family(deployment, found.new, found.olds)
