"""A disk that fills up while the server runs: writers are told, readers go on, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.testing.apiserver import CONFIG_MAPS, Asker

if TYPE_CHECKING:
    from pathlib import Path

# A limit on the size of files refuses a write just as a full disk does.
WRITER = """
import asyncio, resource, signal, sys
from pathlib import Path
import orjson
from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map

async def main():
    api = ApiServer(Store.open(Path(sys.argv[1])), users={ADMIN_TOKEN: ADMIN})
    await api.start()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    ask, made = Asker(api), []
    for index in range(1000):
        obj = config_map(f"c{index}") | {"data": {"k": "v" * 5000}}
        answer = await ask("POST", CONFIG_MAPS, obj)
        if answer.status != 201:
            break
        made.append(f"c{index}")
    again = await ask("POST", CONFIG_MAPS, config_map("late"))
    read = await ask("GET", CONFIG_MAPS + "/c0")
    print(orjson.dumps([made, answer.body, again.body, read.status]).decode())
    await api.stop()

asyncio.run(main())
"""


async def test_a_full_disk_is_told_to_writers_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(path)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0
    made, refused, again, read = orjson.loads(output)
    assert len(made) > 10
    for status in (refused, again):
        assert (status["kind"], status["code"], status["reason"]) == (
            "Status",
            500,
            "InternalError",
        )
        assert "the state file cannot be written" in status["message"]
        assert "tidegate local down" in status["message"]
    assert read == 200
    api = ApiServer(Store.open(path), users={ADMIN_TOKEN: ADMIN})
    await api.start()
    found = {i["metadata"]["name"] for i in (await Asker(api).get(CONFIG_MAPS))["items"]}
    await api.stop()
    assert set(made) <= found
