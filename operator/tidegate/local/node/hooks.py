"""Runs things beside a container's own process: commands of probes, and the preStop hook."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tidegate.local.node.probing import Prober
from tidegate.local.node.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import aiohttp

    from tidegate.local.node.probing import RunCommand
    from tidegate.local.node.surroundings import ContainerPlace, Launch

_MAX_OUTPUT_BYTES = 10 * 1024


def run_in_container(launch: Launch, *, place: ContainerPlace) -> RunCommand:
    """Return what runs a command with the environment of a started container."""

    async def run(command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        if not command:
            return 1, "no command"
        output = place.folder / f"exec-{id(asyncio.current_task()):x}.out"
        words = [launch.rewrite(str(word)) for word in command]
        process = await Process.start(
            words,
            env=launch.env,
            directory=launch.directory,
            log=output,
            isolation=launch.isolation,
        )
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
            return code, await asyncio.to_thread(_head, output)
        finally:
            if not process.has_ended:
                process.kill_group()
                await process.wait()
            output.unlink(missing_ok=True)

    return run


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_OUTPUT_BYTES).decode(errors="replace").strip()


async def run_pre_stop(
    container: Mapping[str, Any],
    *,
    session: aiohttp.ClientSession,
    address: str,
    run_command: RunCommand,
    limit_s: float,
) -> None:
    """Run the container's preStop hook, if it has one, for at most `limit_s`. Never raises."""
    hook = (container.get("lifecycle") or {}).get("preStop")
    if not hook:
        return
    if "sleep" in hook:
        await asyncio.sleep(min(float(hook["sleep"]["seconds"]), limit_s))
        return
    prober = Prober(session, address=address, container=container, run_command=run_command)
    await prober.ask(hook, timeout_s=limit_s)
