"""A container's last words are what it wrote, else, if asked for, the end of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.node.termination import FALL_BACK, message_of

if TYPE_CHECKING:
    from pathlib import Path


def message(folder: Path, *, policy: str = FALL_BACK, exit_code: int = 1) -> str:
    return message_of(folder / "message", log=folder / "log", policy=policy, exit_code=exit_code)


def test_what_it_wrote_comes_first(tmp_path: Path) -> None:
    (tmp_path / "message").write_text("bye")
    (tmp_path / "log").write_text("noise")
    assert message(tmp_path) == "bye"


def test_the_log_speaks_only_for_a_failure_and_only_by_policy(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("boom\n")
    assert message(tmp_path) == "boom\n"
    assert message(tmp_path, exit_code=0) == ""
    assert message(tmp_path, policy="File") == ""


def test_the_log_is_cut_to_its_last_bytes_and_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 5000)
    assert len(message(tmp_path)) == 2048
    (tmp_path / "log").write_text("l\n" * 200)
    assert message(tmp_path) == "l\n" * 80
