"""Reads recorded cases: a folder of scenarios, each a file of JSON lines, plain or gzipped.

A line is one case. What its fields mean is told in README.md; nothing here judges a case.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Case:
    """One recorded request (or watch, or command) with its answer; `raw` is the line."""

    scenario: str
    number: int
    name: str
    kind: str
    raw: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How the case is called in reports: `03_crud/31 generate-name`."""
        return f"{self.scenario}/{self.number} {self.name}"

    @property
    def key(self) -> str:
        """How data files name the case: `03_crud/31`."""
        return f"{self.scenario}/{self.number}"

    @property
    def volatile(self) -> frozenset[str]:
        """JSON pointers whose value differs from run to run."""
        found = frozenset(self.raw.get("volatile") or ())
        # A Service's address is written twice.
        return found | {p.replace("/clusterIP", "/clusterIPs/0") for p in found}

    @property
    def optional(self) -> frozenset[str]:
        """JSON pointers that were there in one recording and absent from another."""
        return frozenset(self.raw.get("volatile_observed") or ())


@dataclass(frozen=True)
class Scenario:
    """The cases of one file, which run in order against a fresh server."""

    name: str
    cases: tuple[Case, ...]


def scenario_files(folder: Path) -> dict[str, Path]:
    """The scenario files of a folder by scenario name, in order of their names."""
    found = {}
    for path in sorted(folder.iterdir()):
        for suffix in _SUFFIXES:
            if path.name.endswith(suffix):
                found[path.name.removesuffix(suffix)] = path
    return found


def load(path: Path, name: str) -> Scenario:
    """Read one scenario.

    :raises ValueError: when a line is no JSON object; it names the line.
    """
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    cases = []
    for number, line in enumerate(data.decode().splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None
        if not isinstance(raw, dict):
            raise ValueError(f"{path}:{number}: a case is a JSON object, not {line[:40]!r}")
        cases.append(
            Case(
                name,
                int(raw.get("seq", number)),
                str(raw.get("name", "")),
                str(raw.get("kind", "")),
                raw,
            )
        )
    return Scenario(name, tuple(cases))


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """The same value with every `${name}` replaced that is known."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: variables.get(m[1], m[0]), value)
    if isinstance(value, dict):
        return {filled(k, variables): filled(v, variables) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, variables) for v in value]
    return value


def at(value: Any, pointer: str) -> tuple[bool, Any]:
    """Whether a JSON pointer leads anywhere, and what is there."""
    for token in pointer.split("/")[1:]:
        part = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value
