"""The store on disk: what survives a restart and a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Terminal
from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.local.apiserver.store import RESTART_GAP
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map

if TYPE_CHECKING:
    from collections.abc import Callable
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
    assert await Asker(again).get(f"{CONFIG_MAPS}/kept") == kept
    assert len((await Asker(again).get(CONFIG_MAPS))["items"]) == 1
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


def torn(path: Path) -> None:
    """A page in the middle was overwritten."""
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    """The file ends too early."""
    path.write_bytes(path.read_bytes()[:5000])


def no_database(path: Path) -> None:
    """Something else was put there."""
    path.write_text("this is not a database, and long enough to be read")


def no_object(path: Path) -> None:
    """One object is no JSON any more."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE objects SET body = '{' WHERE name = 'c7'")
    connection.commit()
    connection.close()


def newer(path: Path) -> None:
    """A later program has written it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (torn, "StateDamaged"),
        (cut, "StateDamaged"),
        (no_database, "StateDamaged"),
        (no_object, "StateDamaged"),
        (newer, "StateTooNew"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_and_kept(
    tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / "state.db"
    api = await opened(path)
    ask = Asker(api)
    await asyncio.gather(*(ask.create(CONFIG_MAPS, config_map(f"c{i}")) for i in range(50)))
    await api.stop()
    harm(path)
    before = path.read_bytes()
    with pytest.raises(Terminal, match=str(path)) as refused:
        Store.open(path)
    assert refused.value.reason == reason
    assert path.read_bytes() == before


async def test_of_writes_to_one_object_in_one_commit_the_last_one_stays(tmp_path: Path) -> None:
    api = await opened(tmp_path / "state.db")
    ask = Asker(api)
    await asyncio.gather(*(ask.create(CONFIG_MAPS, config_map(f"c{i}")) for i in range(20)))

    async def change(name: str) -> None:
        for turn in range(5):
            await ask.patch(f"{CONFIG_MAPS}/{name}", {"data": {"turn": str(turn)}})
        if name in ("c1", "c3"):
            await ask("DELETE", f"{CONFIG_MAPS}/{name}")
        if name == "c3":
            await ask.create(CONFIG_MAPS, config_map("c3"))

    await asyncio.gather(*(change(f"c{i}") for i in range(20)))
    wanted = (await ask.get(CONFIG_MAPS))["items"]
    await api.stop()
    again = await opened(tmp_path / "state.db")
    assert (await Asker(again).get(CONFIG_MAPS))["items"] == wanted
    assert len(wanted) == 19
    await again.stop()
