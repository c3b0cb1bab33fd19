"""Processes are started cleanly, told apart from later ones, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

from tidegate.local.node.process import Identity, Process, boot_id, stat_of
from tidegate.local.node.records import Records

if TYPE_CHECKING:
    from pathlib import Path

ENV = {"PATH": "/usr/bin:/bin", "WORD": "hello"}


async def start(folder: Path, *command: str) -> Process:
    return await Process.start(command, env=ENV, directory=folder, log=folder / "log")


async def gone(pid: int) -> bool:
    """Wait until a process that is not our child is no more (or a zombie of somebody else)."""
    for _ in range(200):
        found = stat_of(pid)
        if found is None or found.state == "Z":
            return True
        await asyncio.sleep(0.02)
    return False


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def written(path: Path) -> str:
    for _ in range(250):
        if (text := text_of(path)).endswith("\n"):
            return text.strip()
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing was written to {path}")


async def test_a_command_gets_its_environment_alone_and_its_own_directory(tmp_path: Path) -> None:
    process = await start(tmp_path, "sh", "-c", "echo $WORD; pwd; echo $HOME-$USER; echo e >&2")
    assert await process.wait() == 0
    assert (tmp_path / "log").read_text().split() == ["hello", str(tmp_path), "-", "e"]


async def test_a_process_that_a_signal_ends_reports_it_in_its_code(tmp_path: Path) -> None:
    process = await start(tmp_path, "sleep", "60")
    process.terminate()
    assert await process.wait() == 128 + signal.SIGTERM


async def test_a_missing_command_says_so_and_exits_with_127(tmp_path: Path) -> None:
    process = await start(tmp_path, "no-such-command")
    assert await process.wait() == 127
    assert "no-such-command: No such file" in (tmp_path / "log").read_text()


async def test_what_a_process_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    process = await start(tmp_path, "sh", "-c", "sleep 60 & echo $! > child; sleep 0.1")
    assert await process.wait() == 0
    child = int((tmp_path / "child").read_text())
    assert await gone(child)


async def test_a_process_is_the_leader_of_a_session_of_its_own(tmp_path: Path) -> None:
    process = await start(tmp_path, "sleep", "60")
    try:
        assert os.getsid(process.identity.pid) == process.identity.pid
    finally:
        process.kill_group()
        await process.wait()


async def test_a_process_does_not_survive_the_supervisor_that_started_it(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import asyncio
        from pathlib import Path
        from tidegate.local.node.process import Process
        async def main():
            here = Path({str(tmp_path)!r})
            process = await Process.start(
                ["sleep", "60"], env={ENV!r}, directory=here, log=here / "log")
            (here / "pid").write_text(f"{{process.identity.pid}}\\n")
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        pid = int(await written(tmp_path / "pid"))
    finally:
        supervisor.kill()
        await supervisor.wait()
    assert await gone(pid)


async def test_recorded_leftovers_are_ended_and_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    process = await start(tmp_path, "sh", "-c", "sleep 60 & sleep 60")
    records.add(process.identity, what="demo/p/c")
    assert records.end_leftovers() == ["demo/p/c"]
    assert await process.wait() == 128 + signal.SIGKILL
    assert records.end_leftovers() == []


async def test_children_of_a_leader_that_is_gone_are_leftovers_too(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    leader = await asyncio.create_subprocess_exec(
        "sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child", start_new_session=True
    )
    await leader.wait()
    child = int(await written(tmp_path / "child"))
    records.add(Identity(leader.pid, 1, boot_id()), what="demo/p/c")
    assert records.end_leftovers() == ["demo/p/c"]
    assert await gone(child)


async def test_another_process_with_a_recorded_id_is_left_alone(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    process = await start(tmp_path, "sleep", "60")
    other = Identity(process.identity.pid, process.identity.started - 1, boot_id())
    records.add(other, what="demo/p/c")
    before_reboot = Records(tmp_path / "older")
    before_reboot.add(Identity(process.identity.pid, process.identity.started, "x"), what="old")
    assert records.end_leftovers() == []
    assert before_reboot.end_leftovers() == []
    assert not process.has_ended
    process.kill_group()
    await process.wait()


def test_a_broken_record_is_dropped(tmp_path: Path) -> None:
    records = Records(tmp_path)
    (tmp_path / "12.json").write_text("{")
    assert records.end_leftovers() == []
    assert list(tmp_path.iterdir()) == []
