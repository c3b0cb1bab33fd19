"""The command line as a whole: what there is, what is imported, how errors look."""

from __future__ import annotations

import os
import subprocess
import sys

from typer.testing import CliRunner

from tidegate import __version__
from tidegate.cli import COMMANDS, build

HEAVY = ("aiohttp", "kopf", "scipy", "kubernetes", "cryptography", "prometheus_api_client")
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
