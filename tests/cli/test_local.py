"""`tidegate local` without a running cluster: what it says, and its exit codes."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from tidegate.cli.local import app
from tidegate.errors import Terminal
from tidegate.local.apiserver import User
from tidegate.local.cluster.state import StateDir, make_plan
from tidegate.local.cluster.users import UserFile


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    found = StateDir(tmp_path / "local")
    found.create()
    return found


def test_the_status_of_nothing_says_how_to_start_it(state: StateDir) -> None:
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 3
    assert "tidegate local up" in result.output


@pytest.mark.parametrize(("form", "first"), [("json", "{"), ("yaml", "name: local")])
def test_the_status_is_there_for_programs(state: StateDir, form: str, first: str) -> None:
    plan = make_plan(state, name="local")
    result = CliRunner().invoke(app, ["status", "-o", form])
    assert result.exit_code == 3
    assert result.output.startswith(first)
    assert plan.server in result.output
    assert plan.token not in result.output


def test_a_status_as_json_has_the_addresses(state: StateDir) -> None:
    plan = make_plan(state, name="local")
    found = orjson.loads(CliRunner().invoke(app, ["status", "-o", "json"]).output)
    assert found["up"] is False
    assert found["prometheus"] == plan.prometheus_url
    assert found["kubeconfig"] == str(state.kubeconfig)


def test_down_when_it_is_down_is_fine(state: StateDir) -> None:
    result = CliRunner().invoke(app, ["down", "--delete"])
    assert (result.exit_code, result.output) == (0, "cluster local was not up\n")
    assert not state.path.exists()


def test_logs_show_the_last_lines_of_the_part_that_is_asked_for(state: StateDir) -> None:
    (state.logs / "envoy.log").write_text("first\nlast\n")
    (state.logs / "supervisor.log").write_text("other\n")
    assert CliRunner().invoke(app, ["logs", "envoy"]).output == "first\nlast\n"
    assert CliRunner().invoke(app, ["logs"]).output.count("==>") == 2


def test_an_unknown_log_is_told_with_the_known_ones(state: StateDir) -> None:
    (state.logs / "envoy.log").touch()
    with pytest.raises(Terminal, match="there are: envoy"):
        CliRunner().invoke(app, ["logs", "nothing"], catch_exceptions=False)


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_a_cluster_goes_up_twice_survives_its_supervisor_and_goes_down(tmp_path: Path) -> None:
    def tidegate(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidegate", "local", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={
                **os.environ,
                "TIDEGATE_HOME": str(tmp_path),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )
        assert done.returncode == code, done.stderr
        # Progress is for terminals: elsewhere there is none.
        assert code != 0 or done.stderr == ""
        return done.stdout

    try:
        assert "cluster local is up" in tidegate("up")
        assert "was up already" in tidegate("up")
        found = orjson.loads(tidegate("status", "-o", "json"))
        assert found["ready"] is True
        assert set(found["parts"]) == {"apiserver", "workloads", "gateway", "metrics", "node"}
        assert stat.S_IMODE(Path(found["kubeconfig"]).stat().st_mode) == 0o600

        os.kill(found["pid"], signal.SIGKILL)
        assert "is not up" in tidegate("status", code=3)
        assert "cluster local is up" in tidegate("up")
        again = orjson.loads(tidegate("status", "-o", "json"))
        assert (again["server"], again["prometheus"]) == (found["server"], found["prometheus"])
        assert tidegate("logs", "prometheus") is not None
    finally:
        assert tidegate("down", "--delete") == "cluster local is down\n"
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_says_why(state: StateDir) -> None:
    port = make_plan(state, name="local").api_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(Terminal, match=f"port {port} of the API server .*--port"):
            CliRunner().invoke(app, ["up", "--no-operator"], catch_exceptions=False)


def test_a_kubeconfig_of_another_user_is_private_and_names_the_cluster(
    state: StateDir, tmp_path: Path
) -> None:
    plan = make_plan(state, name="local")
    result = CliRunner().invoke(app, ["user", "alice", "--group", "team-a"])
    path = state.kubeconfigs / "alice.kubeconfig"
    assert result.output == f"export KUBECONFIG={path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = orjson.loads(path.read_bytes())
    assert document["clusters"][0]["cluster"]["server"] == plan.server
    token = document["users"][0]["user"]["token"]
    assert UserFile(state.users, secret=plan.token).find(token) == User("alice", ("team-a",))
    elsewhere = tmp_path / "bob"
    assert CliRunner().invoke(app, ["user", "bob", "-o", str(elsewhere)]).exit_code == 0
    assert elsewhere.exists()


def test_a_cluster_that_was_never_started_has_no_users(state: StateDir) -> None:
    result = CliRunner().invoke(app, ["user", "alice"])
    assert isinstance(result.exception, Terminal)
    assert "never started" in result.exception.message
