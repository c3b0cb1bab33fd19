"""Logs are read from the right start of a container, from the end or while it speaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import Invalid, NotFound
from tidegate.local.node.logs import NodeLogs
from tidegate.local.node.states import Running, Snapshot, Terminated, Waiting
from tidegate.local.node.surroundings import PodPlace

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = Running(datetime(2026, 11, 23, tzinfo=UTC))
ENDED = Terminated(1, "Error")


@dataclass
class Pod:
    """A pod as the log reader sees it."""

    place: PodPlace
    containers: dict[str, Snapshot] = field(default_factory=dict)

    def snapshots(self) -> dict[str, Snapshot]:
        return self.containers

    def default_container(self) -> str | None:
        return next(iter(self.containers)) if len(self.containers) == 1 else None


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    found = Pod(PodPlace(tmp_path), {"c": Snapshot("c", "i", RUNNING)})
    found.place.container("c").make(0)
    return found


def say(pod: Pod, text: str, *, attempt: int = 0) -> None:
    with pod.place.container("c").log(attempt).open("a") as file:
        file.write(text)


async def read(pod: Pod | None, container: str = "", **options: Any) -> str:
    asked: dict[str, Any] = {
        "follow": False,
        "tail": None,
        "previous": False,
        "timestamps": False,
        "since": None,
        **options,
    }
    logs = NodeLogs(lambda _namespace, _name: pod)
    pieces = [piece async for piece in logs.read("demo", "p", container, **asked)]
    return b"".join(pieces).decode()


async def test_the_whole_log_is_read(pod: Pod) -> None:
    say(pod, "a\nb\n")
    assert await read(pod) == "a\nb\n"


@pytest.mark.parametrize(
    ("tail", "expected"), [(0, ""), (1, "c\n"), (2, "b\nc\n"), (3, "a\nb\nc\n"), (9, "a\nb\nc\n")]
)
async def test_the_tail_counts_lines(pod: Pod, tail: int, expected: str) -> None:
    say(pod, "a\nb\nc\n")
    assert await read(pod, tail=tail) == expected


async def test_nothing_was_said_in_the_future_and_all_of_it_long_ago(pod: Pod) -> None:
    say(pod, "a\nb\n")
    assert await read(pod, since=-60.0) == ""
    assert await read(pod, since=60.0) == "a\nb\n"


async def test_the_tail_is_found_in_a_long_log(pod: Pod) -> None:
    lines = [f"line {i} {'x' * (i % 97)}\n" for i in range(20_000)]
    say(pod, "".join(lines))
    assert await read(pod, tail=5000) == "".join(lines[-5000:])


async def test_following_goes_on_until_the_container_ends(pod: Pod) -> None:
    say(pod, "a\n")
    following = asyncio.create_task(read(pod, follow=True))
    await asyncio.sleep(0.3)
    say(pod, "b\n")
    assert not following.done()
    pod.containers["c"] = replace(pod.containers["c"], state=ENDED)
    assert await asyncio.wait_for(following, 5) == "a\nb\n"


async def test_the_previous_start_has_a_log_of_its_own(pod: Pod) -> None:
    say(pod, "first\n")
    say(pod, "second\n", attempt=1)
    pod.containers["c"] = Snapshot("c", "i", RUNNING, last=ENDED, restarts=1)
    assert await read(pod) == "second\n"
    assert await read(pod, previous=True) == "first\n"


async def test_a_container_that_waits_for_its_restart_is_its_own_previous_one(pod: Pod) -> None:
    say(pod, "boom\n")
    crashed = Snapshot("c", "i", Waiting("CrashLoopBackOff"), last=ENDED)
    pod.containers["c"] = crashed
    assert await read(pod) == "boom\n"
    assert await read(pod, previous=True) == "boom\n"


async def test_what_cannot_be_had_is_refused_in_words(pod: Pod) -> None:
    with pytest.raises(NotFound, match='pods "p" not found'):
        await read(None)
    with pytest.raises(Invalid, match="container x is not valid for pod p"):
        await read(pod, "x")
    with pytest.raises(Invalid, match='previous terminated container "c"'):
        await read(pod, previous=True)
    pod.containers["c"] = Snapshot("c", "i", Waiting("ContainerCreating"))
    with pytest.raises(Invalid, match="is waiting to start: ContainerCreating"):
        await read(pod)
    pod.containers["d"] = pod.containers["c"]
    with pytest.raises(Invalid, match=r"choose one of: \[c d\]"):
        await read(pod)
