"""Draws docs/rollout-states.md from the table of transitions; `--check` only compares.

Run by `make check` and `make docs` in the environment `dev`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from tidegate.domain.rollout.transitions import ACTIVE, TRANSITIONS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rollout-states.md"
INTRODUCTION = """\
<!-- Drawn by `make docs` from operator/tidegate/domain/rollout/transitions.py. Do not edit. -->
# Which states does a rollout go through?

`status.phase` of a Rollout. A change that is not in this table is not possible; each that happens
is an entry in `status.history` and an Event. Only the main ways are drawn; all are in the table.
"""
DRAWN = {
    ("Pending", "InitialDeploy"), ("Healthy", "AttemptStarted"), ("Degraded", "AttemptStarted"),
    ("Starting", "PodsReady"), ("WarmingUp", "WarmedUp"), ("Progressing", "NoData"),
    ("Holding", "HoldCleared"), ("Progressing", "PausedBySpec"), ("Paused", "Resumed"),
    ("Progressing", "EvidencePromotes"), ("Progressing", "EvidenceRollsBack"),
    ("Promoting", "Promoted"), ("RollingBack", "RolledBack"), ("RollingBack", "TakenBack"),
    ("Degraded", "Recovered"),
}  # fmt: skip


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION, "```mermaid", "stateDiagram-v2", "    [*] --> Pending"]
    lines += [
        f"    {before} --> {after}: {reason}"
        for (before, reason), after in TRANSITIONS.items()
        if (before, reason) in DRAWN
    ]
    lines += ["```", "", "| from | to | reasons |", "|---|---|---|"]
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (before, reason), after in TRANSITIONS.items():
        reasons[before, after].append(reason)
    lines += [
        f"| {before} | {after} | {', '.join(f'`{reason}`' for reason in sorted(these))} |"
        for (before, after), these in sorted(reasons.items())
    ]
    active = ", ".join(ACTIVE)
    return "\n".join([*lines, "", f"An attempt is under way in: {active}.", ""])


def main() -> int:
    """Write the page, or say that it is out of date."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    sys.stderr.write(f"{PAGE.name} is out of date: run `make docs` and commit the result\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
