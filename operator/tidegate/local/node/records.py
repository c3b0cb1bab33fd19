"""Remembers on disk which processes run, so that the next node can end what the last one left.

A record is a file named by the process id. It is written when a process has started and removed
when it has ended; what is found at start is a leftover of a supervisor that was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import orjson

from tidegate.local.node.process import Identity, boot_id, stat_of


class Records:
    """The records in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, identity: Identity, *, what: str) -> None:
        """Remember a process; `what` says for people which container it is."""
        record = {"started": identity.started, "boot": identity.boot, "what": what}
        path = self._path(identity.pid)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps(record))
        unfinished.replace(path)

    def remove(self, identity: Identity) -> None:
        """Forget a process that has ended."""
        self._path(identity.pid).unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """Kill what earlier nodes left running, forget all records; return what was killed."""
        boot, ended = boot_id(), []
        for path in sorted(self._directory.glob("*.json")):
            try:
                record = orjson.loads(path.read_bytes())
                found = Identity(int(path.stem), int(record["started"]), str(record["boot"]))
            except (ValueError, KeyError):
                path.unlink(missing_ok=True)
                continue
            if found.boot == boot and _end_group(found):
                ended.append(str(record.get("what", found.pid)))
            path.unlink(missing_ok=True)
        return ended

    def _path(self, pid: int) -> Path:
        return self._directory / f"{pid}.json"


def _end_group(leader: Identity) -> bool:
    """Kill the group that `leader` began, if it still is that one; tell whether there was any."""
    found = stat_of(leader.pid)
    if found is not None and found.started != leader.started:
        # Another process has the id now, so nothing of the old group can be left: the kernel
        # gives no id away that still names a group.
        return False
    if not any(_is_alive_in(entry, leader.pid) for entry in Path("/proc").glob("[0-9]*")):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    return True


def _is_alive_in(entry: Path, group: int) -> bool:
    found = stat_of(int(entry.name))
    return found is not None and found.group == group and found.state != "Z"
