"""The command line as a whole: what there is, what is imported, how errors look."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate import __version__
from tidegate.cli import COMMANDS, build

HEAVY = ("aiohttp", "kopf", "scipy", "kubernetes", "cryptography", "prometheus_api_client")
EXAMPLES = Path(__file__).parents[2] / "examples"
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: x}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
"""
SHOW_HELP = f"""
import sys
sys.argv = ["tidegate", "--help"]
from tidegate.cli import main
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from tidegate.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )


def test_the_overview_names_every_command_and_imports_none() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW_HELP],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    assert all(name in shown for name in COMMANDS)
    assert shown.strip().endswith("[]")


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(build(None), ["--version"])
    assert (result.exit_code, result.output) == (0, f"tidegate {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_its_exit_codes_and_gives_examples(name: str) -> None:
    shown = " ".join(CliRunner().invoke(build(name), [name, "--help"]).output.split())
    assert "Exit codes: 0 " in shown
    assert "2 " in shown.partition("Exit codes: ")[2]
    assert all(f"tidegate {example}" in shown for example in COMMANDS[name].examples)


@pytest.mark.parametrize(
    "example", [each for command in COMMANDS.values() for each in command.examples]
)
def test_an_example_of_the_help_is_a_command_line_that_is_understood(example: str) -> None:
    words = shlex.split(example)
    # The help is shown after the line was read: an unknown option is an error before.
    result = CliRunner().invoke(build(words[0]), [*words, "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"operator"}))
def test_an_option_that_is_not_there_is_wrong_usage_with_nothing_on_stdout(name: str) -> None:
    result = CliRunner().invoke(build(name), [name, "--such-an-option"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--such-an-option" in result.stderr


def test_a_cluster_that_does_not_answer_is_an_error_that_says_what_to_look_at(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").write_text(NOWHERE)
    result = run("status", KUBECONFIG=str(tmp_path / "config"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: the API server does not answer (")
    assert "tidegate local status" in result.stderr


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("demo", "prepare", str(tmp_path / "file" / "x"), TIDEGATE_HOME=str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert "FolderUnwritable" in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_colour_is_written_where_nobody_looks_at_a_terminal() -> None:
    for settings in ({}, {"NO_COLOR": "1"}):
        result = run("validate", str(EXAMPLES / "02-model.yaml"), **settings)
        assert "\x1b" not in result.stdout + result.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("loca").returncode == 2


def test_the_commands_of_the_cluster_are_there() -> None:
    result = CliRunner().invoke(build("local"), ["local", "--help"])
    assert result.exit_code == 0
    assert all(word in result.output for word in ("up", "down", "status", "logs"))


def test_an_error_is_one_line_on_stderr_and_exit_code_1() -> None:
    result = run("local", "logs", "--name", "never-started", TIDEGATE_HOME="/nonexistent")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: NoSuchLog: ")
    assert result.stderr.count("\n") == 1
