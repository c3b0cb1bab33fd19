"""`tidegate local` without a running cluster: what it says, and its exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from typer.testing import CliRunner

from tidegate.cli.local import app
from tidegate.errors import Terminal
from tidegate.local.cluster.state import StateDir, make_plan

if TYPE_CHECKING:
    from pathlib import Path


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
