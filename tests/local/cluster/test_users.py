"""Further users: their tokens, and that a change of the file counts at once."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Terminal
from tidegate.local.apiserver import User
from tidegate.local.cluster.users import UserFile, derived

if TYPE_CHECKING:
    from pathlib import Path


def test_a_user_who_was_added_is_found_by_their_token(tmp_path: Path) -> None:
    file, running = (UserFile(tmp_path / "users.json", secret="s") for _ in range(2))
    assert running.find("x") is None
    alice = file.add("alice", ["team-a"])
    assert running.find(alice) == User("alice", ("team-a",))
    bob = file.add("bob", [])
    assert running.find(bob) == User("bob")
    assert running.find(alice) == User("alice", ("team-a",))


def test_adding_a_user_again_changes_their_groups_and_no_token(tmp_path: Path) -> None:
    file = UserFile(tmp_path / "users.json", secret="s")
    first = file.add("alice", ["team-a"])
    assert file.add("alice", []) == first
    assert file.find(first) == User("alice")


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    UserFile(path, secret="s").add("alice", [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_tokens_of_another_cluster_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    token = UserFile(path, secret="one").add("alice", [])
    assert UserFile(path, secret="two").find(token) is None
    assert derived("one", "a") != derived("one", "b")


@pytest.mark.parametrize("name", ["", "  ", "a\nb"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Terminal, match="no name of a user"):
        UserFile(tmp_path / "users.json", secret="s").add(name, [])


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text("{")
    with pytest.raises(Terminal, match=r"users\.json is no JSON"):
        UserFile(path, secret="s").find("x")
