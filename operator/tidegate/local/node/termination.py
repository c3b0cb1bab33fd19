"""What a container that ended has to say: its termination message. File reads, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MAX_MESSAGE_BYTES = 4096
_MAX_LOG_BYTES = 2048
_MAX_LOG_LINES = 80
FALL_BACK = "FallbackToLogsOnError"


def message_of(written: Path, *, log: Path, policy: str, exit_code: int) -> str:
    """Return what the container wrote into its message file, else, by policy, its last words.

    The limits are the kubelet's: 4096 bytes of the file, 80 lines or 2048 bytes of the log.
    """
    message = _tail(written, _MAX_MESSAGE_BYTES)
    if message or policy != FALL_BACK or exit_code == 0:
        return message
    lines = _tail(log, _MAX_LOG_BYTES).splitlines(keepends=True)
    return "".join(lines[-_MAX_LOG_LINES:])


def _tail(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
