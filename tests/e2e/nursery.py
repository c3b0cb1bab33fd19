"""Bears operators, one after another: each is a process of its own that may be killed at any time.

An operator takes a second to import everything. This process has done so already and forks, so that
hundreds can live and die in one test. Run as `python -m tests.e2e.nursery PARENT`, with an
operator's environment: for each line on stdin it says `born PID`, and `died PID` at its end.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tidegate.app import build
from tidegate.kube.credentials import from_environment as from_surroundings
from tidegate.kube.transport import HttpTransport
from tidegate.local.node.launch import die_with
from tidegate.runtime.logs import configure
from tidegate.runtime.process import run
from tidegate.settings import from_environment


def main() -> None:
    """Bear one for each line. Ends with its parent."""
    die_with(int(sys.argv[1]))
    ours = os.getpid()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            die_with(ours)
            _live()
        _say(f"born {pid}")
        os.waitpid(pid, 0)
        _say(f"died {pid}")


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _live() -> None:
    """Be an operator that says in each request which one it is."""
    code = 1
    try:
        settings = from_environment()
        configure(settings.log_level)
        transport = HttpTransport(from_surroundings(), user_agent=f"operator/{os.getpid()}")
        asyncio.run(run(settings, build, transport=transport))
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
