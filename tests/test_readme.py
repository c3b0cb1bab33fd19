"""What the README and the documentation say is true: links, tasks, commands, settings, reasons."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.cli import COMMANDS
from tidegate.domain.rollout.transitions import TRANSITIONS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
SOURCE = {path: path.read_text() for path in (ROOT / "operator").rglob("*.py")}
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    blocks = SHELL.findall((ROOT / "README.md").read_text())
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    titles = HEADING.findall(FENCED.sub("", page.read_text()))
    bare = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in bare}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_or_a_heading_leads_somewhere(page: Path) -> None:
    missing = []
    for link, heading in LINK.findall(FENCED.sub("", page.read_text())):
        if "://" in link:
            continue
        target = page.parent / link if link else page
        known = anchors(target) if heading and target.suffix == ".md" and target.exists() else ()
        if not target.exists() or (heading and target.suffix == ".md" and heading not in known):
            missing.append(f"{link}#{heading}")
    assert missing == []


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    listed = {link for link, _ in LINK.findall((ROOT / "docs" / "README.md").read_text())}
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages <= listed


def test_every_task_that_is_named_exists() -> None:
    tasks = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        task
        for page in PAGES
        for task in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.M)
    }
    assert named >= {"demo", "setup", "test", "check"}
    assert named <= tasks


def test_every_command_of_the_tour_exists() -> None:
    commands = [shlex.split(line.split(" > ")[0]) for line in shell_lines()]
    ours = {tuple(words[1:3]) for words in commands if words[:1] == ["tidegate"]}
    assert ours == {("local", "up"), ("demo", "prepare"), ("demo", "replay"), ("local", "down")}
    for group, command in sorted(ours):
        assert group in COMMANDS
        subprocess.run(
            [sys.executable, "-m", "tidegate", group, command, "--help"],
            check=True,
            capture_output=True,
            timeout=30,
            env={"PYTHONPATH": str(ROOT / "operator"), "PATH": "/usr/bin:/bin"},
        )


def test_every_file_that_the_tour_applies_is_an_example() -> None:
    applied = re.findall(r"-f flights/(\S+)", "\n".join(shell_lines()))
    assert applied
    assert [name for name in applied if not (ROOT / "examples" / name).exists()] == []


def test_the_settings_that_are_read_are_the_settings_that_are_documented() -> None:
    settings = (ROOT / "operator" / "tidegate" / "settings.py").read_text()
    calls = re.findall(
        r'read\.(?:text|duration|integer|level|choice|names)\("([A-Z_0-9]+)"', settings
    )
    read = {f"TIDEGATE_{name}" for name in calls}
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    assert read == set(re.findall(r"`(TIDEGATE_[A-Z_0-9]+)`(?=[,| ])", rows))


def test_every_reason_that_is_documented_is_one_that_the_code_gives() -> None:
    page = (ROOT / "docs" / "conditions.md").read_text()
    reasons = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", page))
    assert len(reasons) > 30
    everything = "\n".join(SOURCE.values())
    unknown = [reason for reason in sorted(reasons) if f'"{reason}"' not in everything]
    assert unknown == []


def test_every_reason_of_a_change_of_phase_is_documented() -> None:
    page = (ROOT / "docs" / "conditions.md").read_text()
    reasons = {reason for _, reason in TRANSITIONS}
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in page] == []
