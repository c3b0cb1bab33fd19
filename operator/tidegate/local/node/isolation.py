"""What sets a container apart from this machine: its mounts, and its pod's network.

Decides what is used, by what this machine permits; `launch.py` and `sandbox.py` carry it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.node.refusals import NetworkProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tidegate.local.node.paths import Mount

NETWORK_ANNOTATION = "tidegate.dev/local-network"
"""`pod` on a pod: its containers (not the init containers) run in a network of their own."""
_SANDBOX = Path(__file__).with_name("sandbox.py")
_LAUNCHER = Path(__file__).with_name("launch.py")
_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Isolation:
    """How a process is set apart; nothing at all by default. `root` is an empty folder."""

    mounts: tuple[Mount, ...] = ()
    network: int = 0
    root: str = ""

    def encoded(self) -> str:
        """The form that `launch.py` reads."""
        mounts = [[m.folder, m.mount_path, m.read_only] for m in self.mounts]
        place = {"mounts": mounts, "network": self.network, "root": self.root}
        return orjson.dumps(place).decode()


@dataclass(slots=True)
class Permissions:
    """Whether this machine lets us mount; asked once, when it first matters."""

    _may_mount: bool | None = None

    async def may_mount(self) -> bool:
        """Try to have a mount namespace."""
        if self._may_mount is None:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _TRY_TO_MOUNT, str(_LAUNCHER.parent)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            self._may_mount = await process.wait() == 0
        return self._may_mount


_TRY_TO_MOUNT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import launch
launch.separate(os.CLONE_NEWNS)
launch._mount("none", "/", "", launch._REC | launch._PRIVATE)
launch._mount("tmpfs", "/tmp", "tmpfs", 0)
"""


def hides(mounts: Iterable[Mount], needed: Iterable[str]) -> bool:
    """Tell whether a mount would hide something that the container itself needs to run."""
    targets = [mount.mount_path.rstrip("/") + "/" for mount in mounts]
    return any(f"{path}/".startswith(target) for path in needed for target in targets)


def needed_paths(env: Mapping[str, str], more: Iterable[str]) -> set[str]:
    """Return the paths of this machine that a process with this environment relies on."""
    found = {sys.executable, os.path.realpath(sys.executable), sys.base_prefix, *more}
    for value in env.values():
        found |= {part for part in value.split(":") if part.startswith("/")}
    return {path for path in found if not path.startswith(("/usr/", "/bin", "/sbin"))}


def wants_network(pod: Mapping[str, Any], *, by_image: bool) -> bool:
    """Tell whether a pod's containers are to have a network of their own."""
    asked = (pod["metadata"].get("annotations") or {}).get(NETWORK_ANNOTATION)
    return by_image if asked is None else asked == "pod"


def ports_of(pod: Mapping[str, Any]) -> list[int]:
    """Return the TCP ports that can be reached: those that containers declare or probes name."""
    found: set[int] = set()
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("protocol", "TCP") == "TCP":
                found.add(int(port["containerPort"]))
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            for handler in ("httpGet", "tcpSocket"):
                named = ((container.get(kind) or {}).get(handler) or {}).get("port")
                if isinstance(named, int):
                    found.add(named)
    return sorted(found)


@dataclass(slots=True)
class Sandbox:
    """The network of one pod; made when first asked for, gone with `close`."""

    address: str
    ports: Sequence[int]
    _process: asyncio.subprocess.Process | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def owner(self) -> int:
        """Return the process whose network it is. Raises NetworkProblem."""
        async with self._lock:
            if self._process is None or self._process.returncode is not None:
                self._process = await self._start()
            return self._process.pid

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_SANDBOX), str(os.getpid()), self.address),
            *map(str, self.ports),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath},
        )
        assert process.stdout is not None
        said = b""
        try:
            async with asyncio.timeout(_START_S):
                said = await process.stdout.readline()
        except TimeoutError:
            said = b"it did not start in time"
        if said.strip() == b"ready":
            return process
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise NetworkProblem(
            f"the pod cannot have a network of its own on this machine: {said.decode().strip()}; "
            f"allow user namespaces, or have its server listen at $POD_IP"
        )

    async def close(self) -> None:
        """End the network with whatever is left in it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
