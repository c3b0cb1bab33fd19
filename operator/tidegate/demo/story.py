"""What has to happen, chapter by chapter, and the table at the end. Pure.

A chapter has come true only by what the cluster's status and the answers say; nothing here decides
anything about a version.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.demo.answers import Tally
    from tidegate.demo.scene import Scene

MISSING = "–"


class Outcome(StrEnum):
    """What becomes of a version."""

    SERVED = "served"
    PROMOTED = "promoted"
    TAKEN_BACK = "taken back"


@dataclass(frozen=True)
class Chapter:
    """One version: which one of the registry it is, and what has to become of it."""

    version: str
    registered: str
    expected: Outcome
    about: str


CHAPTERS = (
    Chapter("v1", "1", Outcome.SERVED, "the first version"),
    Chapter("v2", "2", Outcome.PROMOTED, "better, and as quick"),
    Chapter("v3", "3", Outcome.TAKEN_BACK, "fails without air pressure"),
    Chapter("v4", "4", Outcome.TAKEN_BACK, "right, but slow"),
)


@dataclass(frozen=True)
class Row:
    """A version's line in the table. `seconds`: from its first bad answer to its last answer."""

    version: str
    decision: str
    why: str
    exposed: int
    failed: int
    seconds: float | None
    as_expected: bool


def outcome_of(scene: Scene, revision: str) -> Outcome | None:
    """What has become of a revision so far; None while that is open."""
    if revision in scene.rejected:
        return Outcome.TAKEN_BACK
    if scene.stable == revision:
        return Outcome.PROMOTED
    return None


def row_for(
    chapter: Chapter,
    scene: Scene,
    revision: str | None,
    *,
    came: Outcome | None,
    slow_ms: float | None,
) -> Row:
    """The line of a chapter, from what was seen.

    `came`: what became of it, as seen in its own chapter; a later one may have taken its place
    since. `slow_ms`: slower answers count as bad.
    """
    if revision is None:
        return Row(chapter.version, "nothing", "no revision was made", 0, 0, None, False)
    tally = scene.ledger.tally(revision)
    if chapter.expected is Outcome.SERVED:
        came = Outcome.SERVED if tally.served else None
        return Row(
            chapter.version, came or "nothing", chapter.about, tally.served, tally.failed, None,
            came is chapter.expected,
        )  # fmt: skip
    seconds = None
    if came is Outcome.TAKEN_BACK:
        seconds = seconds_of_harm(tally, slow_ms=slow_ms)
    return Row(
        chapter.version, came or "undecided", why(scene, revision, came), tally.served,
        tally.failed, seconds, came is chapter.expected,
    )  # fmt: skip


def why(scene: Scene, revision: str, came: Outcome | None) -> str:
    """The reason that the Rollout gave, in its own words."""
    phases = {
        Outcome.PROMOTED: ("Promoting", "Healthy"),
        Outcome.TAKEN_BACK: ("RollingBack", "Degraded"),
    }
    decision = None if came is None else scene.decision_about(revision, phases=phases[came])
    if decision is None:
        return scene.phase or MISSING
    return f"{decision.reason}: {decision.message}" if decision.message else decision.reason


def seconds_of_harm(tally: Tally, *, slow_ms: float | None) -> float | None:
    """From the first bad answer of a version to the last answer that it gave at all.

    The last answer is when its weight was really 0, for those who asked; what status says would be
    earlier. None when no answer was bad.
    """
    first = tally.first_failed_at
    if first is None and slow_ms is not None:
        first = tally.first_slower_than(slow_ms)
    if first is None or tally.last_at is None:
        return None
    return max(0.0, tally.last_at - first)


def untold(words: Sequence[str], outcomes: Mapping[str, Outcome]) -> list[str]:
    """What the registry does not say, though it became of a version: `champion` is the last one
    that was promoted, and those that were taken back are `rejected`. `words` in the chapters'
    order."""
    champion = CHAPTERS[0].version
    for chapter in CHAPTERS:
        if outcomes.get(chapter.version) is Outcome.PROMOTED:
            champion = chapter.version
    wrong = []
    for chapter, said in zip(CHAPTERS, words, strict=True):
        named = said.split(", ")
        if ("champion" in named) != (chapter.version == champion):
            wrong.append(f"the registry calls {chapter.version} {said or 'nothing'}")
        if ("rejected" in named) != (outcomes.get(chapter.version) is Outcome.TAKEN_BACK):
            wrong.append(f"the registry says of {chapter.version}: {said or 'nothing'}")
    return wrong


def failures(rows: Sequence[Row], scene: Scene, *, skipped: int = 0) -> list[str]:
    """Everything that did not happen as it has to; empty when the story came true."""
    wrong = [
        f"{chapter.version} had to be {chapter.expected}, but was: {row.decision} ({row.why})"
        for chapter, row in zip(CHAPTERS, rows, strict=True)
        if not row.as_expected
    ]
    wrong.extend(
        f"request {answer.number} failed without a version to blame: status {answer.status}"
        f" {answer.error}".rstrip()
        for answer in scene.ledger.ours[:5]
    )
    if len(scene.ledger.ours) > 5:
        wrong.append(f"… and {len(scene.ledger.ours) - 5} more such requests")
    broken = next(row for row in rows if row.version == "v3")
    if broken.as_expected and not broken.failed:
        wrong.append("v3 was taken back, yet no request saw it fail")
    wrong.extend(
        f"{row.version} failed {row.failed} requests; only v3 may fail"
        for row in rows
        if row.failed and row.version != "v3"
    )
    if skipped:
        wrong.append(f"the load client fell behind and left out {skipped} requests")
    return wrong
