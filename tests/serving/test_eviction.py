"""Room in a cache: never at the cost of what somebody may need, and whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.cache import Wanted, hold_lease, is_whole
from tidegate.serving.eviction import (
    GRACE_S,
    Held,
    Keep,
    free_some,
    look,
    make_room,
    may_go,
    note_use,
    read_keep,
)
from tidegate.serving.fetch import Room, fetch

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S = 24 * 3600.0
SIZE, ROOM = 1000, 1100
"""Bytes of an artifact, and of what it takes with the note that it is whole."""


class Crash(BaseException):
    """The end of a process, wherever it is."""


@dataclass
class Volume:
    """A shared cache with artifacts of `SIZE` bytes, and files to fetch them from."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def content(self, number: int) -> bytes:
        return f"{number:06d}".encode() * (SIZE // 6) + b"x" * (SIZE % 6)

    def digest(self, number: int) -> str:
        return hashlib.sha256(self.content(number)).hexdigest()

    def wanted(self, number: int) -> Wanted:
        source = self.root / f"source-{number}"
        if not source.exists():
            source.write_bytes(self.content(number))
        return Wanted(
            source=source.as_uri(), sha256=self.digest(number), cache=self.cache,
            deadline=time.monotonic() + 20,
        )  # fmt: skip

    def keep(self, *numbers: int, owner: str = "us", ago_s: float = 0) -> Path:
        """The operator's list, written a while ago."""
        at = datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat()
        path = self.root / f"keep-{owner}.json"
        digests = [self.digest(number) for number in numbers]
        path.write_text(json.dumps({"owner": owner, "at": at, "digests": digests}))
        return path

    def bring(self, number: int, keep: Path | None, *, limit: int = 0) -> Path:
        return fetch(self.wanted(number), Room(limit=limit, keep=keep, size=SIZE))

    def used(self, number: int, *, ago_s: float) -> None:
        """Let the last use of something be a while ago."""
        then = time.time() - ago_s
        for mark in (self.cache / "sha256").glob(f".{self.digest(number)}.used.*"):
            os.utime(mark, (then, then))

    def there(self) -> set[int]:
        """What is there whole, of the first hundred."""
        return {number for number in range(100) if is_whole(self.wanted(number))}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """Artifacts 1 to 4: the higher, the longer unused; all for days."""
    found = Volume(tmp_path)
    keep = found.keep()
    for number in range(1, 5):
        found.bring(number, keep)
        found.used(number, ago_s=number * DAY_S)
    return found


def test_what_is_longest_unused_goes_until_there_is_room(volume: Volume) -> None:
    volume.bring(9, volume.keep(9), limit=3 * ROOM)
    assert volume.there() == {1, 2, 9}
    assert not [path for path in (volume.cache / "sha256").iterdir() if "trash" in path.name]


def test_what_a_revision_refers_to_stays_whatever_the_limit(volume: Volume) -> None:
    volume.bring(9, volume.keep(3, 4, 9), limit=1)
    assert volume.there() == {3, 4, 9}


def test_nothing_goes_while_there_is_room(volume: Volume) -> None:
    volume.bring(9, volume.keep(9), limit=5 * ROOM)
    assert volume.there() == {1, 2, 3, 4, 9}


@pytest.mark.parametrize(
    "text", [None, "", "{}", '{"owner": "us", "at": "never", "digests": []}', "[]"]
)
def test_without_a_list_that_can_be_read_nothing_goes(volume: Volume, text: str | None) -> None:
    keep = volume.root / "keep-us.json"
    if text is None:
        keep.unlink()
    else:
        keep.write_text(text)
    assert read_keep(keep) is None
    volume.bring(9, keep, limit=1)
    assert volume.there() == {1, 2, 3, 4, 9}


def test_without_a_limit_nothing_goes(volume: Volume) -> None:
    volume.bring(9, volume.keep(9), limit=0)
    assert volume.there() == {1, 2, 3, 4, 9}


def test_what_others_use_too_or_nobody_known_stays(volume: Volume) -> None:
    volume.bring(3, volume.keep(owner="them"))
    volume.used(3, ago_s=3 * DAY_S)
    volume.bring(4, None)
    volume.used(4, ago_s=4 * DAY_S)
    volume.bring(9, volume.keep(9), limit=1)
    assert volume.there() == {3, 4, 9}


def test_an_old_list_says_nothing_of_what_was_used_since(volume: Volume) -> None:
    volume.bring(9, volume.keep(9, ago_s=3.5 * DAY_S), limit=1)
    assert volume.there() == {1, 2, 3, 9}


def test_what_somebody_reads_or_fetches_stays(volume: Volume) -> None:
    folder = volume.cache / "sha256"
    with (
        (folder / f".{volume.digest(3)}.lease").open() as lease,
        (folder / f".{volume.digest(4)}.lock").open() as lock,
    ):
        fcntl.flock(lease, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
        volume.bring(9, volume.keep(9), limit=1)
        assert volume.there() == {3, 4, 9}
    volume.bring(8, volume.keep(8, 9), limit=1)
    assert volume.there() == {8, 9}


def test_a_server_holds_a_lease_as_long_as_it_lives(volume: Volume) -> None:
    hold_lease(volume.cache / "sha256" / volume.digest(4))
    hold_lease(volume.root / "no cache" / "model.skops")  # no error where there is none
    volume.bring(9, volume.keep(9), limit=1)
    assert volume.there() == {4, 9}


def test_locks_and_leases_are_never_removed(volume: Volume) -> None:
    volume.bring(9, volume.keep(9), limit=1)
    left = {path.name for path in (volume.cache / "sha256").iterdir()}
    for number in range(1, 5):
        digest = volume.digest(number)
        assert {name for name in left if digest in name} == {f".{digest}.lock", f".{digest}.lease"}


def test_what_was_removed_is_fetched_again(volume: Volume) -> None:
    keep = volume.keep(9)
    volume.bring(9, keep, limit=1)
    assert volume.bring(4, volume.keep(4, 9), limit=1).read_bytes() == volume.content(4)


def test_a_tree_goes_as_a_whole(volume: Volume) -> None:
    folder = volume.root / "tree"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"x" * SIZE)
    wanted = Wanted(
        source=f"{folder.as_uri()}/", sha256=folder_digest(folder), cache=volume.cache, kind="tree",
        deadline=time.monotonic() + 20,
    )  # fmt: skip
    fetch(wanted, Room(keep=volume.keep()))
    then = time.time() - 9 * DAY_S
    os.utime(wanted.beside("used.us"), (then, then))
    volume.bring(9, volume.keep(9), limit=5 * ROOM)
    assert not wanted.target.exists()
    assert volume.there() == {1, 2, 3, 4, 9}


def test_what_a_dead_fetch_left_behind_goes_too(volume: Volume) -> None:
    partial = volume.cache / "sha256" / f".{volume.digest(7)}.partial"
    note_use(volume.wanted(7), read_keep(volume.keep()))
    volume.used(7, ago_s=2 * DAY_S)
    partial.write_bytes(b"x" * 10 * SIZE)
    volume.bring(9, volume.keep(1, 2, 3, 4, 9), limit=6 * ROOM)
    assert not partial.exists()
    assert volume.there() == {1, 2, 3, 4, 9}


# -- full disks ----------------------------------------------------------------------------------


class Disk:
    """A disk that takes so many bytes, as `os.fsync` finds out."""

    def __init__(self, volume: Volume, capacity: int) -> None:
        self.volume, self.capacity = volume, capacity
        self.sync = os.fsync

    def fsync(self, handle: int) -> None:
        taken = sum(held.size for held in look(self.volume.cache / "sha256"))
        if taken > self.capacity:
            raise OSError(28, "No space left on device")
        self.sync(handle)


def test_a_full_disk_makes_room_of_what_may_go(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(volume, capacity=3 * SIZE + SIZE // 2)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    keep = volume.keep(4, 9)
    assert volume.bring(9, keep, limit=100 * ROOM).read_bytes() == volume.content(9)
    assert volume.there() == {1, 4, 9}


def test_a_disk_without_room_for_another_file_makes_some(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = len(list((volume.cache / "sha256").iterdir()))
    touch = Path.touch

    def touched(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        if not path.exists() and len(list(path.parent.iterdir())) > most:
            raise OSError(28, "No space left on device")
        touch(path, mode, exist_ok)

    volume.bring(8, volume.keep(8), limit=100 * ROOM)  # more files than there may be
    monkeypatch.setattr(Path, "touch", touched)
    keep = volume.keep(1, 2, 8, 9)
    assert volume.bring(9, keep, limit=100 * ROOM).read_bytes() == volume.content(9)
    assert {1, 2, 8, 9} <= volume.there() < {1, 2, 3, 4, 8, 9}


def test_a_full_disk_with_nothing_that_may_go_says_what_to_do(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", Disk(volume, capacity=SIZE).fsync)
    with pytest.raises(
        Terminal, match=r"is full .* larger, lower spec.revisionHistoryLimit"
    ) as told:
        volume.bring(9, volume.keep(1, 2, 3, 4, 9), limit=100 * ROOM)
    assert told.value.reason == "CacheUnusable"
    assert volume.there() == {1, 2, 3, 4}


# -- many at once, and the end of a process anywhere ---------------------------------------------


def test_many_pods_on_one_volume_all_get_theirs(volume: Volume) -> None:
    keep = volume.keep(2, *range(10, 20))
    failures: list[BaseException] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if not is_whole(volume.wanted(2)):
                failures.append(AssertionError("what a revision refers to was gone"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(10) as pods:
        found = list(pods.map(lambda n: volume.bring(10 + n % 10, keep, limit=4 * ROOM), range(20)))
    stop.set()
    watcher.join()
    assert not failures
    assert [path.read_bytes() for path in found[:10]] == [volume.content(n) for n in range(10, 20)]
    assert volume.there() == {2, *range(10, 20)}


def dying(steps: int, call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """A call of the file system, of which the one after `steps` never happens."""

    def called(*args: Any, **options: Any) -> Any:
        if left[0] == steps:
            raise Crash
        left[0] += 1
        return call(*args, **options)

    return called


def test_a_crash_anywhere_leaves_nothing_that_is_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for steps in range(40):
        volume = Volume(tmp_path / str(steps))
        volume.root.mkdir()
        for number in range(1, 4):
            volume.bring(number, volume.keep())
            volume.used(number, ago_s=number * DAY_S)
        keep = volume.keep(1, 9)
        left = [0]
        with monkeypatch.context() as patched:
            for name in ("rename", "unlink", "rmdir", "mkdir"):
                patched.setattr(os, name, dying(steps, getattr(os, name), left))
            try:
                make_room(volume.wanted(9), read_keep(keep), limit=2 * ROOM, size=SIZE)
                crashed = False
            except Crash:
                crashed = True
        for number in volume.there():
            assert (volume.cache / "sha256" / volume.digest(number)).read_bytes() == (
                volume.content(number)
            )
        assert 1 in volume.there()
        volume.bring(9, keep, limit=2 * ROOM)
        assert volume.there() == {1, 9}
        names = [path.name for path in (volume.cache / "sha256").iterdir()]
        assert not [name for name in names if name.startswith(".trash")]
        if not crashed:
            assert steps >= 10
            return
    raise AssertionError("it never came to its end")


HELD = st.builds(
    Held,
    sha256=st.sampled_from("abcd"),
    size=st.integers(0, 10),
    owners=st.frozensets(st.sampled_from(["us", "them", "unknown"])),
    used=st.floats(0, 10 * DAY_S),
)


@given(held=HELD, digests=st.frozensets(st.sampled_from("abcd")), at=st.floats(0, 10 * DAY_S),
       now=st.floats(0, 10 * DAY_S))  # fmt: skip
def test_only_what_is_certain_goes(
    held: Held, digests: frozenset[str], at: float, now: float
) -> None:
    keep = Keep("us", at, digests)
    if may_go(held, keep, now=now):
        assert held.sha256 not in digests
        assert held.owners == {"us"}
        assert held.used <= now - GRACE_S
        assert held.used <= at - GRACE_S


STORY = st.lists(
    st.tuples(st.integers(1, 6), st.sets(st.integers(1, 6)), st.integers(0, 7), st.booleans()),
    min_size=1, max_size=10,
)  # fmt: skip


@given(story=STORY)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_through_any_story_what_must_stay_stays_and_the_limit_holds_where_it_can(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[int, set[int], int, bool]]
) -> None:
    volume = Volume(tmp_path_factory.mktemp("story"))
    for fetched, kept, most, ours in story:
        before = volume.there()
        owner = "us" if ours else "them"
        keep = volume.keep(*kept, fetched, owner=owner)
        volume.bring(fetched, keep, limit=most * ROOM)
        after = volume.there()
        assert fetched in after
        assert before & kept <= after
        if most == 0 or fetched in before:
            assert before <= after
        elif len(after) > most:
            list_ = read_keep(keep)
            assert list_ is not None
            folder = volume.cache / "sha256"
            spare = [one for one in look(folder) if may_go(one, list_, now=time.time())]
            assert spare == []
        volume.used(fetched, ago_s=2 * DAY_S)
    assert free_some(volume.wanted(99), None) is False
