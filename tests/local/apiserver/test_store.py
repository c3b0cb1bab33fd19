"""The store on disk: what survives a restart and a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.local.apiserver.store import RESTART_GAP
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map

if TYPE_CHECKING:
    from pathlib import Path


async def opened(path: Path) -> ApiServer:
    api = ApiServer(Store.open(path), users={ADMIN_TOKEN: ADMIN})
    await api.start()
    return api


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    api = await opened(tmp_path / "state.db")
    ask = Asker(api)
    kept = await ask.create(CONFIG_MAPS, config_map("kept"))
    await ask.create(CONFIG_MAPS, config_map("gone"))
    await ask("DELETE", f"{CONFIG_MAPS}/gone")
    revision = api.store.revision
    await api.stop()
    again = await opened(tmp_path / "state.db")
    assert (await Asker(again).get(CONFIG_MAPS))["items"] == [kept]
    assert again.store.revision == revision + RESTART_GAP
    await again.stop()


async def test_a_watch_from_before_a_restart_is_told_to_list_again(tmp_path: Path) -> None:
    api = await opened(tmp_path / "state.db")
    created = await Asker(api).create(CONFIG_MAPS, config_map("a"))
    await api.stop()
    again = await opened(tmp_path / "state.db")
    version = created["metadata"]["resourceVersion"]
    events = [e async for e in Asker(again).watch(CONFIG_MAPS, resourceVersion=version)]
    assert [e["object"]["code"] for e in events] == [410]
    await again.stop()


async def test_many_writers_share_commits(tmp_path: Path) -> None:
    api = await opened(tmp_path / "state.db")
    ask = Asker(api)
    await asyncio.gather(*(ask.create(CONFIG_MAPS, config_map(f"c{i}")) for i in range(200)))
    assert api.store.published == api.store.revision
    await api.stop()
    connection = sqlite3.connect(tmp_path / "state.db")
    query = "SELECT count(*) FROM objects WHERE collection='/configmaps'"
    assert connection.execute(query).fetchone() == (200,)
    connection.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map

async def main():
    api = ApiServer(Store.open(Path(sys.argv[1])), users={ADMIN_TOKEN: ADMIN})
    await api.start()
    for index in range(100000):
        await Asker(api).create(CONFIG_MAPS, config_map(f"c{index}"))
        sys.stdout.write(f"c{index}\\n")
        sys.stdout.flush()

asyncio.run(main())
"""


async def test_a_killed_server_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE, env=env
    )
    assert process.stdout is not None
    acknowledged: list[str] = []
    async with asyncio.timeout(30):
        while len(acknowledged) < 50:
            acknowledged.append((await process.stdout.readline()).decode().strip())
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
    acknowledged += rest.decode().split("\n")[:-1]
    api = await opened(path)
    found = {i["metadata"]["name"] for i in (await Asker(api).get(CONFIG_MAPS))["items"]}
    await api.stop()
    assert set(acknowledged) <= found


async def test_a_disk_that_refuses_is_an_error_to_every_writer(tmp_path: Path) -> None:
    api = await opened(tmp_path / "state.db")
    ask = Asker(api)
    journal = api.store._journal
    assert journal is not None
    journal.failure = sqlite3.OperationalError("disk is full")
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 500
    assert "disk is full" in answer.body["message"]
    await api.stop()


def test_a_file_that_is_no_database_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("this is not a database, and long enough to be read")
    with pytest.raises(sqlite3.DatabaseError):
        Store.open(tmp_path / "state.db")
