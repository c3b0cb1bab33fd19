"""Drives HorizontalPodAutoscalers: measures, asks the pure rules, scales, reports.

What metrics call for is decided in `autoscaler.py`, how fast in `autoscaler_limits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from tidegate.kube.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, PODS, REPLICASETS
from tidegate.local.workloads import autoscaler as rules
from tidegate.local.workloads.autoscaler_limits import History, Limited, limit
from tidegate.local.workloads.autoscaler_status import (
    ABLE,
    ACTIVE,
    LIMITED,
    WITHIN_RANGE,
    Said,
    status,
)
from tidegate.local.workloads.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.usage import UsageMeter, Used
    from tidegate.local.workloads.view import View

PERIOD_S = 15.0
"""As a controller manager looks at them unless told otherwise."""
_TARGETS: dict[str, Resource] = {res.kind: res for res in (DEPLOYMENTS, REPLICASETS)}


@dataclass(slots=True)
class _Memory:
    """What is remembered of one autoscaler; lost with the process, as on a real cluster."""

    uid: str
    spec: Object
    looked_at: float
    history: History = field(default_factory=History)


class AutoscalerController:
    """Reconciles one autoscaler at a time, every `period_s` seconds."""

    def __init__(self, view: View, meter: UsageMeter, *, period_s: float = PERIOD_S) -> None:
        self._view = view
        self._meter = meter
        self._period_s = period_s
        self._memories: dict[Key, _Memory] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Take the autoscaler's next step, once a period or when its spec has changed."""
        found = self._view.mirror.get(HORIZONTALPODAUTOSCALERS, *key)
        if found is None or is_being_deleted(found):
            self._memories.pop(key, None)
            return None
        now = self._view.clock.monotonic()
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid_of(found):
            memory = self._memories[key] = _Memory(uid_of(found), found["spec"], now)
        elif memory.spec == found["spec"] and now - memory.looked_at < self._period_s:
            # Its own status, come back: history would fill up with what was never measured.
            return self._period_s - (now - memory.looked_at)
        memory.spec, memory.looked_at = found["spec"], now
        await self._look(found, memory)
        return self._period_s

    async def _look(self, found: Object, memory: _Memory) -> None:
        reference = found["spec"]["scaleTargetRef"]
        res = _TARGETS.get(str(reference["kind"]))
        name, namespace = str(reference["name"]), namespace_of(found)
        target = self._view.mirror.get(res, namespace, name) if res else None
        if res is None or target is None:
            kind = str(reference["kind"])
            text = f'{kind.lower()}s "{name}" not found'
            if res is None:
                text = f"the local cluster scales {' and '.join(_TARGETS)}s, no {kind}"
            why = f"the HPA controller was unable to get the target's current scale: {text}"
            await self._give_up(found, Said(ABLE, False, "FailedGetScale", why), current=0)
            return
        current = int(target["spec"].get("replicas", 1))
        if current == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            said = Said(ACTIVE, False, "ScalingDisabled", text)
            await self._give_up(found, said, current=0, warn=False)
            return
        try:
            wanted, why, metrics = self._wanted(found, target, current)
        except rules.MetricProblem as problem:
            text = f"the HPA was unable to compute the replica count: {problem}"
            await self._give_up(found, Said(ACTIVE, False, problem.reason, text), current=current)
            return
        await self._move(found, (res, target), memory, wanted=wanted, why=why, metrics=metrics)

    def _wanted(self, found: Object, target: Object, current: int) -> tuple[int, str, list[Object]]:
        """The size that the metrics call for, in words why, and what they show."""
        spec = found["spec"]
        selector = target["spec"]["selector"]
        pods = [
            pod
            for pod in self._view.mirror.every(PODS, namespace_of(target))
            if matches(selector, labels_of(pod))
        ]
        proposals = []
        problem: rules.MetricProblem | None = None
        for metric in spec.get("metrics") or ():
            try:
                proposals.append(
                    rules.propose(metric, pods, replicas=current, measure=self._measure)
                )
            except rules.MetricProblem as error:
                problem = problem or error
        best = max(proposals, key=lambda each: each.replicas, default=None)
        if best is None or (problem is not None and best.replicas < current):
            # With one metric unknown it may grow, never shrink.
            raise problem or rules.MetricProblem("FailedGetResourceMetric", "no metrics are given")
        why = "All metrics below target"
        if best.replicas > current:
            why = f"{best.name} above target"
        return best.replicas, why, [each.current for each in proposals]

    def _measure(self, pod: Object) -> Mapping[str, Used]:
        return self._meter.used(namespace_of(pod) or "", name_of(pod))

    async def _move(
        self,
        found: Object,
        scaled: tuple[Resource, Object],
        memory: _Memory,
        *,
        wanted: int,
        why: str,
        metrics: list[Object],
    ) -> None:
        res, target = scaled
        now, history = self._view.clock.now(), memory.history
        current = int(target["spec"].get("replicas", 1))
        if not history.recommended:
            history = history.recommend(current, now=now)
        history = history.recommend(wanted, now=now)
        allowed = _bounded(found, wanted, current=current) or limit(
            found["spec"], wanted, current=current, history=history, now=now
        )
        if allowed.replicas != current:
            await self._view.patch(res, target, {"spec": {"replicas": allowed.replicas}})
            note = f"New size: {allowed.replicas}; reason: {_reason(found, current, why)}"
            await self._view.tell(found, reason="SuccessfulRescale", note=note)
            history = history.change(allowed.replicas - current, now=now)
        memory.history = history
        wrote = status(
            found,
            _conditions(allowed, scaled=allowed.replicas != current),
            current=current,
            desired=allowed.replicas,
            metrics=metrics,
            scaled=allowed.replicas != current,
            now=now,
        )
        await self._view.report(HORIZONTALPODAUTOSCALERS, found, wrote)

    async def _give_up(self, found: Object, said: Said, *, current: int, warn: bool = True) -> None:
        conditions = [said]
        if said.kind == ACTIVE:
            text = "the HPA controller was able to get the target's current scale"
            conditions.insert(0, Said(ABLE, True, "SucceededGetScale", text))
        if warn:
            await self._view.tell(found, reason=said.reason, note=said.message, warning=True)
        before = found.get("status") or {}
        wrote = status(
            found,
            conditions,
            current=current,
            desired=int(before.get("desiredReplicas") or 0),
            metrics=before.get("currentMetrics") or (),
            scaled=False,
            now=self._view.clock.now(),
        )
        await self._view.report(HORIZONTALPODAUTOSCALERS, found, wrote)


def _conditions(allowed: Limited, *, scaled: bool) -> list[Said]:
    able = Said(ABLE, True, *allowed.able)
    if scaled:
        text = f"the HPA controller was able to update the target scale to {allowed.replicas}"
        able = Said(ABLE, True, "SucceededRescale", text)
    text = "the HPA was able to successfully calculate a replica count from the metrics"
    active = Said(ACTIVE, True, "ValidMetricFound", text)
    reason, message = allowed.limited or WITHIN_RANGE
    return [able, active, Said(LIMITED, allowed.limited is not None, reason, message)]


def _bounded(found: Object, wanted: int, *, current: int) -> Limited | None:
    """A size out of bounds is brought back at once, whatever the behaviour says."""
    least = int(found["spec"].get("minReplicas") or 1)
    most = int(found["spec"]["maxReplicas"])
    able = ("SucceededGetScale", "the HPA controller was able to get the target's current scale")
    if current > most:
        text = "the desired replica count is more than the maximum replica count"
        return Limited(most, able, ("TooManyReplicas", text))
    if current < least:
        text = "the desired replica count is less than the minimum replica count"
        return Limited(least, able, ("TooFewReplicas", text))
    return None


def _reason(found: Object, current: int, why: str) -> str:
    if current > int(found["spec"]["maxReplicas"]):
        return "Current number of replicas above Spec.MaxReplicas"
    if current < int(found["spec"].get("minReplicas") or 1):
        return "Current number of replicas below Spec.MinReplicas"
    return why
