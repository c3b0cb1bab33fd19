"""The supervisor as a program: `python -m tidegate.local.cluster.main --state … --name …`.

Runs one cluster until it is told to end (SIGTERM or SIGINT). Why it could not start stands in the
report file and is the last line of its log.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path

import orjson

from tidegate.errors import Terminal
from tidegate.local.cluster.local import LocalCluster
from tidegate.local.cluster.loop import run
from tidegate.local.cluster.state import StateDir, write_private


def main() -> int:
    """Run until told to end. Returns 1 when the cluster could not be started."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--state", type=Path, required=True)
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--port", type=int)
    chosen = arguments.parse_args()
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    cluster = LocalCluster(chosen.state, name=chosen.name, api_port=chosen.port)
    try:
        run(_until_told(cluster))
    except Terminal as error:
        document = {"ready": False, "error": error.message, "reason": error.reason, "parts": {}}
        write_private(StateDir(chosen.state).report, orjson.dumps(document))
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


class FieldFormatter(logging.Formatter):
    """Shows the fields of a structured record behind its message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None) or {}
        shown = "".join(f" {key}={value!r}" for key, value in fields.items())
        return super().formatMessage(record) + shown


async def _until_told(cluster: LocalCluster) -> None:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(cluster.run())
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, running.cancel)
    with suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    sys.exit(main())
