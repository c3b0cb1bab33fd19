"""Runs kubectl as a case says, and compares what it wrote.

Times, ages, uids, revisions and the width of columns differ from run to run; the rest must not.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conformance import compare

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

_LIMIT_S = 60.0
_EDITOR = """#!{python}
import pathlib, re, sys
path = pathlib.Path(sys.argv[-1])
text = path.read_text()
for key, value in {changes!r}:
    text = re.sub(rf"(?m)^(\\s+{{key}}): .*$", rf"\\g<1>: {{value}}", text)
path.write_text(text)
"""
_STEADY = (
    # How far a rollout has come when kubectl looks is a matter of milliseconds.
    (re.compile(r"^Waiting for .*\n", re.MULTILINE), ""),
    (re.compile(r"\S*/(LIVE|MERGED)-\d+"), r"${tmp}/\1"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "TIME"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r'([rR]esource ?[vV]ersion"?:\s*)"?\d+"?'), r"\g<1>0"),
    (re.compile(r"\b(\d+[dhms])+(?=\s|$)"), "AGE"),
    # A newer kubectl says where it deleted.
    (re.compile(r"( deleted) from \S+ namespace"), r"\1"),
    (re.compile(r"[ \t]{2,}"), "  "),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Outcome:
    """What a command left behind. `killed` means that we ended it, as the recorder did."""

    status: int
    stdout: str
    stderr: str
    killed: bool


async def run(
    raw: Mapping[str, Any],
    *,
    binary: Path,
    kubeconfig: Path,
    folder: Path,
    during: Callable[[], Awaitable[None]] | None,
) -> Outcome:
    """Run the command of a case; `during` is awaited while it runs."""
    for name, text in (raw.get("files") or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    # The recorder joined the arguments with spaces; none of them holds one.
    _, *arguments = str(raw["path"]).split(" ")
    process = await asyncio.create_subprocess_exec(
        str(binary),
        *arguments,
        cwd=folder,
        env=_environment(raw, kubeconfig, folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    reading = asyncio.create_task(process.communicate((raw.get("body") or "").encode()))
    killed = False
    try:
        if during is not None:
            await during()
        if "killed_after" in raw:
            await asyncio.sleep(float(raw["killed_after"]))
            killed = process.returncode is None
            _kill(process)
        async with asyncio.timeout(_LIMIT_S):
            out, err = await asyncio.shield(reading)
    except TimeoutError:
        _kill(process)
        out, err = await reading
        err += f"(killed after {_LIMIT_S:.0f} s)".encode()
    finally:
        _kill(process)
    status = process.returncode or 0
    return Outcome(status, out.decode(errors="replace"), err.decode(errors="replace"), killed)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()


def _environment(raw: Mapping[str, Any], kubeconfig: Path, folder: Path) -> dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(kubeconfig.parent),
        "KUBECONFIG": str(kubeconfig),
        "TMPDIR": str(folder),
    }
    if " edit " in f"{raw['path']} ":
        environment["KUBE_EDITOR"] = str(_editor(raw, folder))
    return environment


def _editor(raw: Mapping[str, Any], folder: Path) -> Path:
    """An editor that makes the change which the recorded command sent."""
    sent = [r["body"] for r in raw.get("http") or () if r["method"] == "PATCH"]
    changes = [leaf for body in sent for leaf in _leaves(body)]
    path = folder / "editor"
    path.write_text(_EDITOR.format(python=sys.executable, changes=changes))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _leaves(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, below in value.items():
        found += _leaves(below) if isinstance(below, dict) else [(key, below)]
    return found


def steady(text: str) -> str:
    """A command's output without what differs from run to run."""
    for pattern, replacement in _STEADY:
        text = pattern.sub(replacement, text)
    return compare.steady(text)


def _same_json(wanted: list[str], lines: list[str]) -> bool:
    """Whether both are the same JSON: the order of members says nothing."""
    try:
        left, right = (json.loads("\n".join(side)) for side in (wanted, lines))
    except ValueError:
        return False
    return not compare.differences(left, right, compare.Rules())


def differences(expected: Mapping[str, Any], got: Outcome) -> list[str]:
    """Where what a command wrote differs from the recording, a line each."""
    found = []
    if expected["status"] != got.status and not got.killed:
        found.append(f"exit code: expected {expected['status']}, got {got.status}")
    for stream, text in (("stdout", got.stdout), ("stderr", got.stderr)):
        wanted = steady(expected["response"].get(stream) or "").splitlines()
        lines = steady(text).splitlines()
        if _same_json(wanted, lines):
            continue
        for index in range(max(len(wanted), len(lines))):
            left = wanted[index] if index < len(wanted) else None
            right = lines[index] if index < len(lines) else None
            if left != right:
                found.append(f"{stream}, line {index + 1}: expected {left!r}, got {right!r}")
    return found
