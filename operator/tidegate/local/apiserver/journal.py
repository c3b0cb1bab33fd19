"""Durability: a thread that owns the SQLite file and writes what the store hands it.

Everything that waits in the queue goes into one transaction, so many writers share one commit. The
write is in the operating system's hands when the callback runs: a killed process loses nothing, a
power cut may lose the last writes. Reading happens once, at start.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BATCH = 512
_VERSION = 1
"""Of the file's own form; a file of a higher one was written by a newer program."""
_PUT = "INSERT OR REPLACE INTO objects VALUES "
_REVISION = "INSERT OR REPLACE INTO meta VALUES ('revision', ?)"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  collection TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  revision INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (collection, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Change:
    """One write: `body` is None for a deletion."""

    collection: str
    namespace: str
    name: str
    revision: int
    body: bytes | None


class Journal:
    """The file, and the thread that alone touches it."""

    def __init__(self, path: Path, *, flushed: Callable[[int], None]) -> None:
        """`flushed(revision)` is called on the thread when all up to `revision` is written.

        Raises Terminal for a file that is damaged, or newer than this program; it is left alone.
        """
        self._path = path
        self._flushed = flushed
        self._queue: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tidegate-journal", daemon=True)
        self.failure: BaseException | None = None
        try:
            self._check()
        except sqlite3.Error as error:
            raise damaged(path, str(error)) from error

    def _check(self) -> None:
        """See that the file can be used before anything is written to it."""
        with closing(sqlite3.connect(self._path, timeout=5)) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise Terminal(
                    "StateTooNew",
                    f"{self._path} was written by a newer Tidegate (form {version}; this one knows "
                    f"{_VERSION}) and was left alone; update Tidegate, or use another --name",
                )
            [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise damaged(self._path, found)
        if version < _VERSION:
            with closing(self._connect()) as connection:
                connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_VERSION};")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=5)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def load(self) -> Iterator[Change]:
        """Everything that is stored. Call it before `start`."""
        connection = self._connect()
        try:
            yield from (
                Change(*row)
                for row in connection.execute(
                    "SELECT collection, namespace, name, revision, body FROM objects"
                )
            )
        finally:
            connection.close()

    def last_revision(self) -> int:
        """The highest revision ever written, deletions included."""
        connection = self._connect()
        try:
            row = connection.execute("SELECT value FROM meta WHERE key='revision'").fetchone()
        finally:
            connection.close()
        return int(row[0]) if row else 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def append(self, change: Change) -> None:
        """Hand over one change; returns at once."""
        self._queue.put(change)

    def stop(self) -> None:
        """Write what is left and close the file."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout=10)

    def _run(self) -> None:
        connection = self._connect()
        try:
            while True:
                batch, last = self._batch()
                if batch:
                    self._write(connection, batch)
                    self._flushed(batch[-1].revision)
                if last:
                    return
        except sqlite3.Error as error:
            # A full disk or a broken file: the store refuses every write from here on.
            self.failure = error
            self._flushed(-1)
        finally:
            connection.close()

    def _batch(self) -> tuple[list[Change], bool]:
        batch: list[Change] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= _BATCH:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _write(self, connection: sqlite3.Connection, batch: list[Change]) -> None:
        """Write a batch as few statements: each one makes this thread wait for the interpreter."""
        newest = {(c.collection, c.namespace, c.name): c for c in batch}
        put = [
            (*key, change.revision, change.body)
            for key, change in newest.items()
            if change.body is not None
        ]
        gone = [key for key, change in newest.items() if change.body is None]
        if gone:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "DELETE FROM objects WHERE collection=? AND namespace=? AND name=?", gone
            )
        if put:
            rows = ",".join(["(?,?,?,?,?)"] * len(put))
            connection.execute(_PUT + rows, [value for row in put for value in row])
        if gone:
            # Of a batch without deletions the last revision stands in an object.
            connection.execute(_REVISION, (batch[-1].revision,))
            connection.execute("COMMIT")


def damaged(path: Path, why: str) -> Terminal:
    """The error for a file that cannot be read. It says what to do, for nothing is done by us."""
    return Terminal(
        "StateDamaged",
        f"{path} is damaged ({why}) and was left as it is; put a copy of it in its place, or "
        "begin anew with `tidegate local down --delete` and `tidegate local up`",
    )
