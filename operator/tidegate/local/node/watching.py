"""Watches one running container by its probes: started, ready, and whether it must be restarted.

Runs the loops; what the answers mean is decided in `probes.py`, asking is done in `probing.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.node.probes import Probe, Streak

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tidegate.local.node.probing import Prober
    from tidegate.local.node.surroundings import Tell

type Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class Health:
    """What the probes found so far."""

    started: bool = False
    ready: bool = False


async def watch_health(
    container: Mapping[str, Any],
    health: Health,
    *,
    prober: Prober,
    tell: Tell,
    on_change: Callable[[], None],
    sleep: Sleep,
) -> float | None:
    """Keep `health` up to date; return only when the container must be restarted.

    Returns the seconds of grace that the failed probe asks for; None for the pod's own.
    """
    watch = _Watch(container, health, prober, tell, on_change, sleep)
    startup = Probe.parse(container.get("startupProbe"))
    if startup is not None and not await watch.until(startup, "Startup", stop_at="success"):
        return startup.termination_grace_s
    health.started = True
    readiness = Probe.parse(container.get("readinessProbe"))
    health.ready = readiness is None
    on_change()
    liveness = Probe.parse(container.get("livenessProbe"))
    if readiness is not None and liveness is not None:
        async with asyncio.TaskGroup() as tasks:
            ready = tasks.create_task(watch.readiness(readiness))
            await watch.until(liveness, "Liveness", stop_at="failure")
            ready.cancel()
        return liveness.termination_grace_s
    if liveness is not None:
        await watch.until(liveness, "Liveness", stop_at="failure")
        return liveness.termination_grace_s
    if readiness is not None:
        await watch.readiness(readiness)
    await asyncio.Event().wait()
    return None


@dataclass(frozen=True, slots=True)
class _Watch:
    container: Mapping[str, Any]
    health: Health
    prober: Prober
    tell: Tell
    on_change: Callable[[], None]
    sleep: Sleep

    async def until(self, probe: Probe, kind: str, *, stop_at: str) -> bool:
        """Probe until there is a verdict: `failure`, or with stop_at="success" either one."""
        streak = Streak()
        await self.sleep(probe.initial_delay_s)
        while True:
            streak = await self._ask(probe, streak, kind)
            if streak.verdict == "failure":
                note = f"Container {self.container['name']} failed {kind.lower()} probe, "
                self.tell(reason="Killing", note=note + "will be restarted")
                return False
            if streak.verdict == "success" and stop_at == "success":
                return True
            await self.sleep(probe.period_s)

    async def readiness(self, probe: Probe) -> None:
        """Follow the readiness probe for ever."""
        streak = Streak()
        await self.sleep(probe.initial_delay_s)
        while True:
            streak = await self._ask(probe, streak, "Readiness")
            ready = streak.verdict == "success"
            if ready != self.health.ready:
                self.health.ready = ready
                self.on_change()
            await self.sleep(probe.period_s)

    async def _ask(self, probe: Probe, streak: Streak, kind: str) -> Streak:
        answer = await self.prober.ask(probe.handler, timeout_s=probe.timeout_s)
        streak = streak.after(probe, ok=answer.ok)
        if streak.began_to_fail:
            # Once a streak: a pod that stays unready must not keep the API server busy.
            note = f"{kind} probe failed: {answer.message}"
            self.tell(reason="Unhealthy", note=note, warning=True)
        return streak
