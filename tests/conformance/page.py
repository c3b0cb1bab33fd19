"""Draws docs/conformance.md from the cases and differences.json. Run by `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from tests.conformance.cases import load, scenario_files  # noqa: E402
from tests.conformance.listed import NOT_IMPLEMENTED, ON_PURPOSE, Listed  # noqa: E402

PAGE = ROOT / "docs" / "conformance.md"
CASES = Path(__file__).parent / "cases"
_INTRODUCTION = """\
<!-- Drawn by `make docs` from tests/conformance. Do not edit. -->
# How faithful is the embedded cluster?

Its API server is held to recordings of a real one, Kubernetes 1.36.2: `make conformance` replays
them and prints every difference. `make conformance KUBECONFIG=…` replays them against any cluster,
`make conformance CASES=folder` replays others; see
[tests/conformance](../tests/conformance/README.md).

What it does not serve answers 404, or 501 where a real server would do something that this one
cannot; it never pretends.

| scenario | cases | same | different on purpose | not implemented |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    listed = Listed.load()
    rows, sections = [], []
    for name, path in scenario_files(CASES).items():
        labels = {case.label: case.name for case in load(path, name).cases}
        differing = {label: listed[label] for label in labels if label in listed}
        kinds = [d.kind for d in differing.values()]
        same = [short for label, short in labels.items() if label not in differing]
        purpose, missing = kinds.count(ON_PURPOSE), kinds.count(NOT_IMPLEMENTED)
        rows.append(
            f"| [{name}](#{name}) | {len(labels)} | {len(same)} | {purpose} | {missing} |\n"
        )
        sections.append(f"\n## {name}\n\nSame: {', '.join(same) or 'none'}.\n")
        if differing:
            sections.append("\n| case | is | why, or what this server answers |\n|---|---|---|\n")
        for label, entry in differing.items():
            number = label.split(" ")[0].split("/")[1]
            sections.append(f"| {number} {labels[label]} | {entry.kind} | {entry.why} |\n")
    return "".join([_INTRODUCTION, *rows, *sections])


if __name__ == "__main__":
    PAGE.write_text(page())
