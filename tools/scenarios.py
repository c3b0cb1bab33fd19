"""Writes docs/scenarios.md: which test covers which behaviour; `--check` only compares.

Read from tests/scenarios.yaml and from the marks of the tests, without running them. A mark that
names no behaviour is an error, and so is a behaviour that says neither how it is tested nor why it
waits. Run by `make check` and `make docs` in the environment `dev`.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "scenarios.md"
BEHAVIOURS = ROOT / "tests" / "scenarios.yaml"
INTRODUCTION = """\
<!-- Written by `make docs` from tests/scenarios.yaml and the marks of the tests. Do not edit. -->
# Which behaviours hold, and which test says so?

Distilled from the test suites and bug reports of Argo Rollouts, Flagger, KServe and Seldon, in
our words. `make test ARGS="-m scenario"` runs these tests alone. A note says where ours differs on
purpose, and what waits for a part that is not built yet.
"""


@dataclass(frozen=True)
class Behaviour:
    """One behaviour: what it is, how ours differs on purpose, what it waits for (if anything)."""

    id: str
    title: str
    differs: str = ""
    waits: str = ""


def behaviours(text: str) -> dict[str, Behaviour]:
    """The behaviours of the list, in its order."""
    listed: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(text)
    return {id_: Behaviour(id_, **fields) for id_, fields in listed.items()}


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """Each (behaviour, test) of one file of tests."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(
                "mark.scenario"
            ):
                for argument in decorator.args:
                    yield ast.literal_eval(argument), node.name


def covered(tests: Path) -> dict[str, list[tuple[Path, str]]]:
    """The tests of every behaviour that any test is marked with."""
    found: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for id_, test in marks(path):
            found[id_].append((path.relative_to(tests.parent), test))
    return found


def problems(
    listed: Mapping[str, Behaviour], tests: Mapping[str, list[tuple[Path, str]]]
) -> list[str]:
    """What is wrong with the marks and the list, in words."""
    wrong = [f"{tests[id_][0][0]}: no behaviour {id_}" for id_ in tests if id_ not in listed]
    for one in listed.values():
        if not tests.get(one.id) and not one.waits:
            wrong.append(f"{one.id} ({one.title}) has no test: mark one with scenario({one.id!r})")
        if tests.get(one.id) and one.waits:
            wrong.append(f"{one.id} has a test: take `waits` out of {BEHAVIOURS.name}")
    return wrong


def page(listed: Mapping[str, Behaviour], tests: Mapping[str, list[tuple[Path, str]]]) -> str:
    """The whole page."""
    done = sum(1 for one in listed.values() if tests.get(one.id))
    lines = [INTRODUCTION, f"{done} of {len(listed)} are tested.", ""]
    lines += ["| id | behaviour | tests | note |", "|---|---|---|---|"]
    for one in listed.values():
        named = "<br>".join(
            f"[`{test}`](../{path.as_posix()})" for path, test in tests.get(one.id, ())
        )
        note = one.differs or (f"waits: {one.waits}" if one.waits else "")
        lines.append(f"| {one.id} | {one.title} | {named} | {note} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Write the page, or say what is wrong or out of date."""
    listed, tests = behaviours(BEHAVIOURS.read_text()), covered(ROOT / "tests")
    wrong = problems(listed, tests)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    wanted = page(listed, tests)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(wanted)
        return 0
    if wrong:
        return 1
    if PAGE.exists() and PAGE.read_text() == wanted:
        return 0
    sys.stderr.write(f"{PAGE.name} is out of date: run `make docs` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
