"""Starts the supervisor as a process of its own, and stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.local.cluster.children import shorten
from tidegate.local.cluster.images import SOURCE_ROOT
from tidegate.local.cluster.state import supervisor_pid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.cluster.state import StateDir

_POLL_S = 0.05
# Pods get their grace period, which is 30 s unless they say otherwise.
_STOP_S = 45.0


def start(state: StateDir, *, name: str, api_port: int | None) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process and its terminal."""
    state.create()
    log = state.logs / "supervisor.log"
    shorten(log)
    state.report.unlink(missing_ok=True)
    command: Sequence[str] = (
        *(sys.executable, "-m", "tidegate.local.cluster.main"),
        *("--state", str(state.path), "--name", name),
        *(() if api_port is None else ("--port", str(api_port))),
    )
    path = os.environ.get("PYTHONPATH")
    known = [str(SOURCE_ROOT), *([path] if path else [])]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(known)},
        )


def stop(state: StateDir, *, timeout: float = _STOP_S) -> bool:
    """Stop the supervisor and everything it runs; False if none ran.

    It is killed when it has not ended after `timeout` seconds; the kernel then ends its children.
    Raises Terminal(StillRunning) when even that does not help.
    """
    pid = supervisor_pid(state)
    if pid is None:
        return False
    for sign, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if supervisor_pid(state) != pid:
                return True
            time.sleep(_POLL_S)
    raise Terminal("StillRunning", f"process {pid} of {state.path} does not end")
