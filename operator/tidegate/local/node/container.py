"""Runs one container through all its restarts, and knows its state at any moment.

Owns the process. When to restart is decided in `backoff.py`, what the probes mean in `probes.py`.
It writes nothing to the API: whoever owns it is told by `on_change`, and asks for a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.errors import KubeError
from tidegate.local.node import refusals
from tidegate.local.node.backoff import should_restart
from tidegate.local.node.hooks import run_in_container, run_pre_stop
from tidegate.local.node.probing import Prober
from tidegate.local.node.process import Process
from tidegate.local.node.states import (
    CONTAINER_CREATING,
    CRASH_LOOP,
    Running,
    Snapshot,
    State,
    Terminated,
    Waiting,
)
from tidegate.local.node.termination import message_of
from tidegate.local.node.timeline import Noter
from tidegate.local.node.watching import Health, watch_health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from tidegate.kube.clock import Clock
    from tidegate.local.node.process import Identity
    from tidegate.local.node.records import Records
    from tidegate.local.node.surroundings import ContainerPlace, Launch, Prepare, Tell, Timing

_START_FAILED = 128
_NOTE_EVERY_S = 1.0
LOST = Terminated(
    exit_code=137,
    reason="ContainerStatusUnknown",
    message="The container ended together with the local cluster that ran it",
)


class Container:
    """One container of a pod. `what` names it in the records of processes."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        *,
        what: str,
        policy: str,
        address: str,
        grace_s: float,
        place: ContainerPlace,
        prepare: Prepare,
        tell: Tell,
        on_change: Callable[[], None],
        session: aiohttp.ClientSession,
        records: Records,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self.name = str(spec["name"])
        self._spec, self._what, self._policy, self._address = spec, what, policy, address
        self._place, self._prepare, self._tell, self._on_change = place, prepare, tell, on_change
        self._session, self._records, self._clock = session, records, clock
        self._timing, self._grace_s = timing, grace_s
        self._back_off = timing.back_off
        self._state: State = Waiting(CONTAINER_CREATING)
        self._last: Terminated | None = None
        self._restarts = 0
        self._id = ""
        self._health = Health()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._kill_at = 0.0
        self._ran_s = 0.0
        self.process: Identity | None = None
        """The process that runs now, if any."""

    def snapshot(self) -> Snapshot:
        """Return what stands in the pod's status."""
        running = isinstance(self._state, Running)
        return Snapshot(
            name=self.name,
            image=str(self._spec.get("image", "")),
            state=self._state,
            last=self._last,
            restarts=self._restarts,
            ready=running and self._health.ready,
            started=running and self._health.started,
            container_id=self._id,
            resources=self._spec.get("resources") or {},
        )

    def take_over(self, before: Mapping[str, Any]) -> None:
        """Begin where an earlier node left off; `before` is the container's last status."""
        self._restarts = int(before.get("restartCount", 0))
        self._id = str(before.get("containerID", ""))
        state = before.get("state") or {}
        last = (before.get("lastState") or {}).get("terminated")
        if "running" in state:
            self._state = LOST
        elif ended := state.get("terminated") or last:
            self._state = Terminated.from_json(ended)

    def wait_for(self, reason: str, message: str = "") -> None:
        """Say what a container that has not run yet waits for."""
        if isinstance(self._state, Waiting):
            self._enter(Waiting(reason, message))

    def will_run(self) -> bool:
        """Tell whether `run` would start a process."""
        return not isinstance(self._state, Terminated) or should_restart(
            self._policy, exit_code=self._state.exit_code
        )

    def rerun(self) -> None:
        """Have `run` start a process even if the container had done its work before."""
        if isinstance(self._state, Terminated):
            self._again(self._state)

    def stop(self, *, grace_s: float) -> None:
        """Ask it to end: SIGTERM now, SIGKILL after `grace_s`. Asked again, the earlier holds."""
        kill_at = self._clock.monotonic() + grace_s
        if not self._stopping.is_set() or kill_at < self._kill_at:
            self._kill_at = kill_at
            self._stopping.set()
            self._hurry.set()

    async def run(self) -> None:
        """Run until the container has ended for good, or was stopped."""
        if isinstance(self._state, Terminated):
            if not self.will_run():
                return
            self._again(self._state)
        while not self._stopping.is_set():
            ended = await self._once()
            if ended is None:
                return
            self._enter(ended)
            if self._stopping.is_set() or not should_restart(
                self._policy, exit_code=ended.exit_code
            ):
                return
            await self._back_off_after(ended)
            if not self._stopping.is_set():
                self._again(ended)

    def _again(self, ended: Terminated) -> None:
        self._last = ended
        self._restarts += 1
        self._state = Waiting(CONTAINER_CREATING)

    def _enter(self, state: State) -> None:
        self._state = state
        self._on_change()

    async def _once(self) -> Terminated | None:
        """Start and see to the end; None when it was stopped before it could start."""
        launch = await self._prepared()
        if launch is None:
            return None
        if (problem := missing_command(launch)) is not None:
            return self._not_started(problem)
        image = self._spec.get("image", "")
        self._tell(reason="Pulled", note=f'Container image "{image}" is in the image table')
        log = self._place.log(self._restarts)
        try:
            process = await Process.start(
                launch.command,
                env=launch.env,
                directory=launch.directory,
                log=log,
                isolation=launch.isolation,
            )
        except OSError as error:
            return self._not_started(f"no process could be started: {error}")
        try:
            self._records.add(process.identity, what=self._what)
            self.process = process.identity
            return await self._attend(process, launch)
        finally:
            self.process = None
            if not process.has_ended:
                # Only when this task is cancelled: nothing may be left behind.
                process.kill_group()
                await process.wait()
            self._records.remove(process.identity)

    def _not_started(self, problem: str) -> Terminated:
        self._tell(reason="Failed", note=f"Error: {problem}", warning=True)
        now = self._clock.now()
        self._ran_s = 0.0
        return Terminated(_START_FAILED, refusals.START_ERROR, problem, now, now)

    async def _prepared(self) -> Launch | None:
        """Work out how to start, again and again until it can be, or the container is stopped."""
        told = ""
        pause = self._timing.config_retry_s
        while not self._stopping.is_set():
            try:
                launch = await self._prepare(self._spec)
                await asyncio.to_thread(self._place.make, self._restarts)
            except refusals.ImageProblem as problem:
                reason, message = refusals.ERR_IMAGE_PULL, str(problem)
            except refusals.NetworkProblem as problem:
                reason, message = refusals.ERR_POD_NETWORK, str(problem)
            except refusals.ConfigProblem as problem:
                reason, message = refusals.CONFIG_ERROR, str(problem)
            except KubeError as error:
                reason, message = CONTAINER_CREATING, error.message
            else:
                return launch
            self._enter(Waiting(reason, message))
            if told != message and reason != CONTAINER_CREATING:
                told = message
                self._tell(reason="Failed", note=f"Error: {message}", warning=True)
            await self._pause(pause)
            pause = min(pause * 2, self._timing.back_off.longest_s)
        return None

    async def _attend(self, process: Process, launch: Launch) -> Terminated:
        begun, started_at = self._clock.monotonic(), self._clock.now()
        self._id = f"local://{process.identity.pid}-{process.identity.started}"
        self._health = Health()
        self._enter(Running(started_at, self._id))
        self._tell(reason="Created", note=f"Created container: {self.name}")
        self._tell(reason="Started", note=f"Started container {self.name}")
        exit_task = asyncio.create_task(process.wait())
        noting = asyncio.create_task(self._note_times())
        try:
            await self._until_end(process, exit_task, launch)
            code = await exit_task
        finally:
            exit_task.cancel()
            noting.cancel()
        self._ran_s = self._clock.monotonic() - begun
        message = await asyncio.to_thread(
            message_of,
            self._place.termination_message,
            log=self._place.log(self._restarts),
            policy=str(self._spec.get("terminationMessagePolicy") or "File"),
            exit_code=code,
        )
        reason = "Completed" if code == 0 else "Error"
        return Terminated(code, reason, message, started_at, self._clock.now(), self._id)

    async def _note_times(self) -> None:
        """Once a second, which costs less than to see every line."""
        noter = Noter(self._place.log(self._restarts))
        while True:
            noter.note(now=self._clock.now())
            await self._clock.sleep(_NOTE_EVERY_S)

    async def _until_end(
        self, process: Process, exit_task: asyncio.Task[int], launch: Launch
    ) -> None:
        """Watch the container's health until it exits, is stopped, or has to be restarted."""
        prober = Prober(
            self._session,
            address=self._address,
            container=self._spec,
            run_command=run_in_container(launch, place=self._place),
        )
        health = asyncio.create_task(
            watch_health(
                self._spec,
                self._health,
                prober=prober,
                tell=self._tell,
                on_change=self._on_change,
                sleep=self._clock.sleep,
            )
        )
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({exit_task, health, stop}, return_when=asyncio.FIRST_COMPLETED)
            if exit_task.done():
                return
            if not self._stopping.is_set():
                # A failed probe, which has told so itself.
                grace_s = health.result()
                self._kill_at = self._clock.monotonic() + (
                    self._grace_s if grace_s is None else grace_s
                )
            else:
                self._tell(reason="Killing", note=f"Stopping container {self.name}")
            await self._end(process, exit_task, launch)
        finally:
            for task in (health, stop):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _end(self, process: Process, exit_task: asyncio.Task[int], launch: Launch) -> None:
        hook = asyncio.create_task(
            run_pre_stop(
                self._spec,
                session=self._session,
                address=self._address,
                run_command=run_in_container(launch, place=self._place),
                limit_s=max(0.0, self._kill_at - self._clock.monotonic()),
            )
        )
        asked = False
        try:
            while not exit_task.done():
                left = self._kill_at - self._clock.monotonic()
                if left <= 0:
                    process.kill_group()
                    await exit_task
                    return
                if hook.done() and not asked:
                    asked = True
                    process.terminate()
                self._hurry.clear()
                hurry = asyncio.create_task(self._hurry.wait())
                waited = {exit_task, hurry} | (set() if asked else {hook})
                await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                hurry.cancel()
        finally:
            hook.cancel()

    async def _back_off_after(self, ended: Terminated) -> None:
        pause, self._back_off = self._back_off.after(ran_s=self._ran_s)
        if pause <= 0:
            return
        self._last = ended
        self._enter(
            Waiting(CRASH_LOOP, f"back-off {pause:g}s restarting failed container={self.name}")
        )
        note = f"Back-off restarting failed container {self.name}"
        self._tell(reason="BackOff", note=note, warning=True)
        await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the container is stopped meanwhile."""
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stop}, timeout=seconds)
        stop.cancel()


def missing_command(launch: Launch) -> str | None:
    """Return what is wrong when the command cannot be found in the container's PATH."""
    name = launch.command[0]
    if "/" in name:
        found = Path(launch.outside(str(launch.directory / name))).is_file()
        return None if found else f'exec: "{name}": no such file or directory'
    if shutil.which(name, path=launch.env.get("PATH", "")):
        return None
    return f'exec: "{name}": executable file not found in $PATH'
