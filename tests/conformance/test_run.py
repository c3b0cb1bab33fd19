"""The command line: what it prints, what it returns, and that nothing is skipped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.run import main

if TYPE_CHECKING:
    from pathlib import Path

VERSION: dict[str, Any] = {
    "seq": 1,
    "name": "probe",
    "kind": "http",
    "method": "GET",
    "path": "/readyz",
    "headers": {"Authorization": "Bearer ${token}"},
    "status": 200,
    "response": "ok",
}


def written(folder: Path, *cases: dict[str, Any]) -> str:
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    (folder / "mine.jsonl").write_text(lines)
    return str(folder)


def test_any_folder_of_cases_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--cases", written(tmp_path, VERSION)]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed\n"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"status": 404}, "status: expected 404, got 200"),
        ({"response": "no"}, ': expected "no", got "ok"'),
        ({"kind": "ftp"}, "unknown kind of case: 'ftp'"),
        ({"kind": ""}, "unknown kind of case: ''"),
        ({"headers": "none"}, "Error: "),
        ({"poll": {"until": {"moon": "full"}}}, "ValueError: unknown poll condition"),
    ],
)
def test_a_case_that_differs_fails_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], said: str
) -> None:
    assert main(["--cases", written(tmp_path, VERSION, {**VERSION, **wrong})]) == 1
    out = capsys.readouterr().out
    assert "mine/1 probe\n" in out
    assert said in out
    assert out.endswith("1 passed, 1 failed\n")


@pytest.mark.parametrize("text", ["not json\n", "[1]\n"])
def test_a_file_that_holds_no_cases_fails_beside_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    assert main(["--cases", written(tmp_path, VERSION)]) == 1
    out = capsys.readouterr().out
    assert "bad.jsonl:1" in out
    assert out.endswith("1 passed, 1 failed\n")


def test_a_folder_without_cases_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--cases", str(tmp_path)]) == 2
    assert main(["--cases", str(tmp_path / "absent")]) == 2
    assert "no scenarios" in capsys.readouterr().err


def test_a_kubeconfig_that_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.write_text("current-context: none\ncontexts: []\n")
    folder = written(tmp_path, VERSION)
    assert main(["--cases", folder, "--kubeconfig", str(config)]) == 2
    assert "no usable current context" in capsys.readouterr().err
