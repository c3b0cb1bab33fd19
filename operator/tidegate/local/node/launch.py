"""What a container's process does first: tie itself to the node's life, then become the command.

Run as a script by a bare interpreter (`python -I -S launch.py PARENT CWD PLACE COMMAND…`), so it
imports nothing but the standard library. It must not outlive a killed supervisor: the kernel is
asked to kill it when the parent dies (PR_SET_PDEATHSIG), and the parent is looked at again
afterwards, since it may have died before the kernel was asked.

PLACE is JSON: `network` is the process whose network to join (0: this machine's), `mounts` are
`[source, target, read_only]`, `root` an empty folder for a new root if one is needed. Mounts are
made in a mount namespace of the process's own.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Importing it takes longer than all the rest.
    from typing import Any

_PR_SET_PDEATHSIG = 1
_MORE_EXPENDABLE = 500
"""When memory runs out the kernel should take a container, not the API server beside it."""
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = (
    *(1, 2, 4, 8, 32, 4096, 16384),
    1 << 18,
)
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become the command. Exits 127 when it does not exist, 126 when it cannot be run."""
    parent, directory, place, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    die_with(parent)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(_MORE_EXPENDABLE))
    except OSError:
        pass
    try:
        enter(json.loads(place))
    except OSError as error:
        sys.stderr.write(f"the container's place could not be made: {error}\n")
        sys.exit(126)
    # Another set of rights makes the kernel forget the wish.
    die_with(parent)
    try:
        os.chdir(directory)
        os.execvp(command[0], command)
    except FileNotFoundError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}: {error.filename}\n")
        sys.exit(127)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(126)


def die_with(parent: int) -> None:
    """Have the kernel end this process together with its parent."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter(place: dict[str, Any]) -> None:
    """Join the network and make the mounts. Raises OSError."""
    owner = place.get("network") or 0
    if owner:
        join(owner)
    if place.get("mounts"):
        separate(os.CLONE_NEWNS, may_map=not owner)
        _mount("none", "/", "", _REC | _PRIVATE)
        Tree(place["root"]).mount(place["mounts"])


def join(owner: int) -> None:
    """Enter the network of another process, by way of its user namespace where it has one."""
    if os.geteuid() != 0:
        with open(f"/proc/{owner}/ns/user", "rb") as file:
            os.setns(file.fileno(), os.CLONE_NEWUSER)
    with open(f"/proc/{owner}/ns/net", "rb") as file:
        os.setns(file.fileno(), os.CLONE_NEWNET)


def separate(kinds: int, *, may_map: bool = True) -> None:
    """Leave the namespaces of these kinds; without root, by a user namespace. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    if user == 0 or not may_map:
        os.unshare(kinds)
        return
    os.unshare(os.CLONE_NEWUSER | kinds)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


class Tree:
    """This machine's folders with others mounted among them; nothing outside is changed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._ours: set[str] = set()

    def mount(self, mounts: list[tuple[str, str, bool]]) -> None:
        """Make all mounts, the outer ones first. Raises OSError."""
        # Held open, so that a mount over a source's own folder does not hide it.
        held = [(os.open(source, os.O_PATH), target, ro) for source, target, ro in mounts]
        if any(not os.path.lexists("/" + target.split("/")[1]) for _, target, _ in held):
            self._new_root()
        for source, target, read_only in sorted(held, key=lambda each: each[1].count("/")):
            path = os.path.normpath(target)
            self._provide(path, is_folder=stat.S_ISDIR(os.fstat(source).st_mode))
            _bind(f"/proc/self/fd/{source}", path)
            if read_only:
                kept = os.statvfs(path).f_flag & (_NOSUID | _NODEV | _NOEXEC)
                _mount("none", path, "", _REMOUNT | _BIND | _RDONLY | kept)
        for source, _, _ in held:
            os.close(source)

    def _new_root(self) -> None:
        """A root like this machine's in which folders can be made."""
        _mount("tmpfs", self._root, "tmpfs", _NOSUID | _NODEV)
        _copy("/", self._root)
        os.chroot(self._root)
        os.chdir("/")
        self._ours.add("/")

    def _provide(self, path: str, *, is_folder: bool) -> None:
        if os.path.exists(path) and os.path.isdir(path) == is_folder:
            return
        self._own(os.path.dirname(path))
        if is_folder:
            os.mkdir(path)
            self._ours.add(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))

    def _own(self, folder: str) -> None:
        """Put a folder in the place of this one, with the same content, that is ours alone."""
        if folder in self._ours:
            return
        if not os.path.isdir(folder):
            self._own(os.path.dirname(folder))
            os.mkdir(folder)
        else:
            old = os.open(folder, os.O_PATH | os.O_DIRECTORY)
            _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV)
            _copy(f"/proc/self/fd/{old}", folder)
            os.close(old)
        self._ours.add(folder)


def _copy(source: str, target: str) -> None:
    """Show every entry of one folder in another."""
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
            continue
        if entry.is_dir():
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        _bind(entry.path, path)


def _bind(source: str, target: str) -> None:
    _mount(source, target, "", _BIND | _REC)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    if _LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


if __name__ == "__main__":
    main()
