"""The page of behaviours: what is marked, what is missing, and what is no behaviour."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
LISTED = """\
A-1:
  title: It works
A-2:
  title: It works otherwise
  differs: on purpose
A-3:
  title: It is to come
  waits: the part
"""
MARKED = """\
import pytest

@pytest.mark.scenario("A-1", "A-2")
async def test_both(): ...

@pytest.mark.parametrize("n", [1])
@pytest.mark.scenario("A-1")
def test_first(n): ...
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with a repository of its own."""
    spec = importlib.util.spec_from_file_location("scenarios", ROOT / "tools" / "scenarios.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "scenarios", module)
    spec.loader.exec_module(module)
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests" / "scenarios.yaml").write_text(LISTED)
    (tmp_path / "tests" / "deep" / "test_it.py").write_text(MARKED)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PAGE", tmp_path / "docs" / "scenarios.md")
    monkeypatch.setattr(module, "BEHAVIOURS", tmp_path / "tests" / "scenarios.yaml")
    return module


def run(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["scenarios.py", *arguments])
    code: int = tool.main()
    return code


def test_the_page_names_every_test_and_every_note(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tool, monkeypatch) == 0
    page = tool.PAGE.read_text()
    assert "2 of 3 are tested." in page
    both = "[`test_both`](../tests/deep/test_it.py)"
    first = "[`test_first`](../tests/deep/test_it.py)"
    assert f"| A-1 | It works | {both}<br>{first} |  |" in page
    assert f"| A-2 | It works otherwise | {both} | on purpose |" in page
    assert "| A-3 | It is to come |  | waits: the part |" in page
    assert run(tool, monkeypatch, "--check") == 0


def test_a_page_that_is_out_of_date_is_an_error_that_says_the_mend(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tool, monkeypatch, "--check") == 1
    assert "run `make docs`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (LISTED.replace("A-2", "B-2"), "no behaviour A-2"),
        (LISTED + "A-4:\n  title: Forgotten\n", "A-4 (Forgotten) has no test"),
        (LISTED.replace("differs: on purpose", "waits: no more"), "A-2 has a test: take `waits`"),
    ],
)
def test_marks_and_list_that_disagree_are_errors(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listed: str,
    said: str,
) -> None:
    tool.BEHAVIOURS.write_text(listed)
    run(tool, monkeypatch)
    assert run(tool, monkeypatch, "--check") == 1
    assert said in capsys.readouterr().err
