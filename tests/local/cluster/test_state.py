"""The folder of a cluster: what is chosen once, who may read it, and who may hold it."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Terminal
from tidegate.local.cluster.state import (
    StateDir,
    check_ports,
    holding,
    home,
    make_plan,
    supervisor_pid,
)

if TYPE_CHECKING:
    from pathlib import Path


def folder(path: Path, name: str = "one") -> StateDir:
    state = StateDir(path / name)
    state.create()
    return state


def test_the_home_is_in_the_users_folder_unless_named(tmp_path: Path) -> None:
    assert home({"TIDEGATE_HOME": str(tmp_path)}) == tmp_path
    assert home({}).name == ".tidegate"


def test_a_plan_is_kept(tmp_path: Path) -> None:
    state = folder(tmp_path)
    first = make_plan(state, name="local")
    assert make_plan(state, name="local") == first
    assert len({first.api_port, first.envoy_port, first.prometheus_port}) == 3


def test_a_port_that_is_asked_for_replaces_the_kept_one(tmp_path: Path) -> None:
    state = folder(tmp_path)
    first = make_plan(state, name="local")
    second = make_plan(state, name="local", api_port=6999)
    assert second.server == "https://127.0.0.1:6999"
    assert (second.token, second.prometheus_port) == (first.token, first.prometheus_port)
    assert make_plan(state, name="local") == second


def test_only_the_owner_may_read_the_folder_and_its_token(tmp_path: Path) -> None:
    state = folder(tmp_path)
    make_plan(state, name="local")
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(state.plan.stat().st_mode) == 0o600


def test_one_supervisor_holds_a_folder(tmp_path: Path) -> None:
    state = folder(tmp_path)
    plan = make_plan(state, name="local")
    assert supervisor_pid(state) is None
    with holding(state, plan):
        assert supervisor_pid(state) == os.getpid()
        with pytest.raises(Terminal, match="another supervisor"), holding(state, plan):
            raise AssertionError("held twice")
    assert supervisor_pid(state) is None


def test_two_clusters_never_share_a_service_network(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    plan = make_plan(one, name="one")
    two.plan.write_bytes(one.plan.read_bytes())
    same = make_plan(two, name="two")
    refused = pytest.raises(Terminal, match="another cluster uses")
    with holding(one, plan), refused, holding(two, same):
        raise AssertionError("both hold it")


def test_a_busy_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    plan = make_plan(folder(tmp_path), name="local")
    with socket.socket() as other:
        other.bind(("127.0.0.1", plan.api_port))
        other.listen()
        with pytest.raises(Terminal, match=f"port {plan.api_port} .*use --port"):
            check_ports(plan)
    check_ports(plan)
