"""Runs the programs that a user would type: kubectl and `tidegate local`. Each has a deadline."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT
from tidegate.local.cluster.kubectl import kubectl_binary

if TYPE_CHECKING:
    from pathlib import Path

COMMAND_FAILED = "CommandFailed"
KUBECTL_LIMIT_S = 30.0
LOCAL_LIMIT_S = 180.0


def kubectl_path() -> str:
    """kubectl from PATH, or the one that the set-up fetched. :raises Terminal: there is none."""
    return str(kubectl_binary(beside=CHECKOUT / ".tidegate" / "bin"))


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one cluster."""

    program: str
    kubeconfig: Path

    async def run(self, *arguments: str, limit_s: float = KUBECTL_LIMIT_S) -> str:
        """What it printed. :raises Terminal: with its words when it fails or takes too long."""
        command = [self.program, f"--kubeconfig={self.kubeconfig}", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        shown = "kubectl " + " ".join(arguments)
        try:
            async with asyncio.timeout(limit_s):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Terminal(COMMAND_FAILED, f"`{shown}` took over {limit_s:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace")
        if process.returncode != 0:
            raise Terminal(COMMAND_FAILED, f"`{shown}` failed:\n{text.strip()}")
        return text


def local(*arguments: str, quiet: bool = False) -> None:
    """Run `tidegate local …` and wait for it. :raises Terminal: when it fails."""
    command = [sys.executable, "-m", "tidegate", "local", *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        timeout=LOCAL_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout or b"").decode(errors="replace").strip()
        raise Terminal(COMMAND_FAILED, f"`tidegate local {' '.join(arguments)}` failed\n{said}")
