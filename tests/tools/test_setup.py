"""The set-up: what it finds, what it refuses, and that a second time costs nothing."""

from __future__ import annotations

import importlib.util
import re
import stat
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
REQUIREMENT = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


@pytest.fixture
def setup(tmp_path: Path) -> ModuleType:
    """The script as a module, with a checkout of its own."""
    spec = importlib.util.spec_from_file_location("tidegate_setup", ROOT / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__.update(
        ROOT=tmp_path, STATE=tmp_path / ".tidegate", LOCKS=tmp_path / "requirements"
    )
    (tmp_path / "requirements").mkdir()
    for name in ("operator", "v2"):
        (tmp_path / "requirements" / f"{name}.txt").write_text("kopf==1.45\n")
    return module


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def versions(name: str) -> dict[str, str]:
    return dict(REQUIREMENT.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_everything_with_hashes_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    pinned = REQUIREMENT.findall(text)
    assert pinned
    assert len(pinned) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE))
    assert not re.search(r"index-url|https?://|find-links", text)


def test_environments_that_meet_hold_the_same_versions() -> None:
    dev, v2 = versions("dev"), versions("v2")
    for smaller, larger in ((versions("operator"), dev), (v2, dev), (v2, versions("train"))):
        assert smaller.items() <= larger.items()


def test_an_environment_is_ready_until_its_lock_changes(setup: ModuleType) -> None:
    home = setup.STATE / "env" / "operator"
    program(home / "bin" / "python", "exit 0")
    assert not setup.environment_is_ready("operator")
    setup.stamp_file("operator").write_text(setup.environment_stamp("operator"))
    assert setup.environment_is_ready("operator")
    (setup.LOCKS / "operator.txt").write_text("kopf==1.46\n")
    assert not setup.environment_is_ready("operator")


def test_only_what_is_missing_is_to_be_made(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("TIDEGATE_PROMETHEUS_BIN", raising=False)
    assert setup.missing(("operator", "v2")) == ["operator", "v2", "prometheus", "kubectl"]
    program(tmp_path / "bin" / "kubectl", "exit 0")
    program(setup.STATE / "bin" / "prometheus", "exit 0")
    program(setup.STATE / "env" / "v2" / "bin" / "python", "exit 0")
    setup.stamp_file("v2").write_text(setup.environment_stamp("v2"))
    assert setup.missing(("operator", "v2")) == ["operator"]


def test_an_interpreter_that_is_too_old_or_broken_is_passed_over(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "old", "echo '[3, 9]'")
    broken = program(tmp_path / "broken", "exit 127")
    assert setup.version_of(str(old)) == (3, 9)
    assert setup.version_of(str(broken)) is None
    candidates = [str(old), str(broken), sys.executable]
    monkeypatch.setattr(setup, "python_candidates", lambda: iter(candidates))
    assert Path(setup.find_python()).resolve() == Path(sys.executable).resolve()


def test_without_a_python_it_says_what_was_asked_and_what_to_do(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "old", "echo '[3, 9]'")
    monkeypatch.setattr(setup, "python_candidates", lambda: iter([str(old)]))
    with pytest.raises(setup.Unavailable) as raised:
        setup.find_python()
    assert f"{old} (3.9)" in raised.value.why
    assert "TIDEGATE_PYTHON" in raised.value.todo


def test_the_checkout_is_importable_in_an_environment_without_being_installed(
    setup: ModuleType, tmp_path: Path
) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    (tmp_path / "operator" / "tidegate").mkdir(parents=True)
    (tmp_path / "operator" / "tidegate" / "__init__.py").touch()
    (tmp_path / "operator" / "tidegate" / "cli.py").write_text("def main(): return 7\n")
    setup.link_project(home)
    done = subprocess.run(
        [str(home / "bin" / "tidegate")], check=False, cwd="/", env={}, timeout=20
    )
    assert done.returncode == 7


APT = """
case "$*" in
*update*) touch "$FAKE/updated" ;;
*download*) [ -e "$FAKE/updated" ] || exit 100; echo deb > prometheus_2.42_amd64.deb ;;
esac
"""


def test_package_lists_are_fetched_without_root_when_apt_knows_no_such_package(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "apt-get", APT)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE", str(tmp_path))
    folder = tmp_path / "download"
    folder.mkdir()
    setup.download_deb("prometheus", folder)
    assert (tmp_path / "updated").exists()
    assert [file.name for file in folder.glob("*.deb")] == ["prometheus_2.42_amd64.deb"]


def test_what_cannot_be_had_is_explained(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    program(tmp_path / "bin" / "apt-get", "echo 'no network' >&2; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(setup.Unavailable) as raised:
        setup.fetch_prometheus(setup.Progress())
    setup.explain([raised.value])
    said = capsys.readouterr().err
    assert "Prometheus cannot be had" in said
    assert "no network" in said
    assert "TIDEGATE_PROMETHEUS_BIN" in said
    assert not (setup.STATE / "bin" / "prometheus").exists()
