"""Bad requests that come in bursts: contradictory evidence is no verdict (statistics 2.4.3)."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from tests.domain.evidence.made import ERRORS, LATENCY, T0, analysis, begun

from tidegate.domain import evidence
from tidegate.domain.evidence import Arm, Batch
from tidegate.domain.evidence.bursts import promotion_doubt, rollback_doubt
from tidegate.domain.evidence.comparing import Seen
from tidegate.domain.evidence.rates import in_blocks
from tidegate.stats import Counts

OF = analysis(ERRORS)
MINUTE = timedelta(minutes=1)
HOURS = 4


def verdicts(seed: int, *, candidate: float, burst: int) -> list[str]:
    """The verdict after each minute from the half hour on: 300 requests of the candidate beside
    5,700 of a stable with 1 % of errors, which come `burst` at a time."""
    draw, entries, said = random.Random(seed), begun(OF), []

    def errors(n: int, rate: float) -> float:
        return float(min(n, burst * draw.binomialvariate(n, rate / burst)))

    for minute in range(60 * HOURS):
        stable = Arm(5700, errors(5700, 0.01))
        tried = Arm(300, errors(300, candidate))
        start = T0 + minute * MINUTE
        entries = evidence.update(entries, OF, Batch(start, start + MINUTE, stable, tried))
        if minute >= 31:
            said.append(evidence.judge(entries, OF, candidate_requests=0).verdict)
    return said


def test_bursts_of_a_good_version_are_inconclusive_where_the_counts_would_take_it_back() -> None:
    said = [verdict for seed in range(8) for verdict in verdicts(seed, candidate=0.01, burst=30)]
    assert said.count("Inconclusive") >= 10, "the counts alone would have taken some back"
    assert said.count("Rollback") == 0


def test_a_version_that_is_worse_all_the_time_is_taken_back_and_never_doubted() -> None:
    for seed in range(4):
        said = verdicts(seed, candidate=0.02, burst=1)
        assert "Rollback" in said
        assert "Inconclusive" not in said


def test_a_version_that_fails_late_is_doubted_for_a_moment_and_then_taken_back() -> None:
    entries = begun(OF)
    found = []
    for minute in range(45):
        bad = 150.0 if minute >= 40 else 3.0
        start = T0 + minute * MINUTE
        batch = Batch(start, start + MINUTE, Arm(5700, 57), Arm(300, bad))
        entries = evidence.update(entries, OF, batch)
        found.append(evidence.judge(entries, OF, candidate_requests=0).verdict)
    assert found[40] in ("Continue", "Inconclusive")
    assert found[-1] == "Rollback"


def test_other_metrics_that_speak_against_it_are_not_doubted() -> None:
    of = analysis(ERRORS, LATENCY)
    entries = begun(of)
    for minute in range(40):
        start = T0 + minute * MINUTE
        slow = 300.0 if minute >= 20 else 30.0
        arms = (Arm(5700, 57, slow=(600.0,)), Arm(300, 3, slow=(slow,)))
        entries = evidence.update(entries, of, Batch(start, start + MINUTE, *arms))
    found = evidence.judge(entries, of, candidate_requests=0)
    assert (found.verdict, found.metric) == ("Rollback", "latency")


@pytest.mark.parametrize(
    ("blocks", "against", "for_it"),
    [
        ([29, 0.0, 0.1], "", ""),
        ([40, 0.0, 0.1], "hardly worse", ""),
        ([40, 2.0, 0.2], "", "worse than the margin allows"),
    ],
)
def test_counts_are_doubted_where_blocks_contradict_them(
    blocks: list[float], against: str, for_it: str
) -> None:
    (entry,) = begun(OF)
    state = {**evidence.state_of(entry), "w": [*blocks, 0, 0, 0, 0, 0]}
    found = rollback_doubt(OF.metrics[0], state, 5.3), promotion_doubt(OF.metrics[0], state, OF)
    for said, words in zip(found, (against, for_it), strict=True):
        assert (words in said) if words else said == ""


def test_a_block_is_whole_after_a_minute_and_says_nothing_without_requests() -> None:
    some, none = Seen(Counts(1, 10), Counts(2, 100)), Seen(Counts(0, 0), Counts(2, 100))
    state: dict[str, list[float]] = {}
    for _ in range(3):
        state = {"w": in_blocks(state, some, 15.0)}
    assert state["w"] == [0, 0, 0, 45.0, 3.0, 30.0, 6.0, 300.0]
    state = {"w": in_blocks(state, some, 15.0)}
    assert state["w"] == pytest.approx([1, 0.08, 0.0064, 0, 0, 0, 0, 0])
    assert in_blocks(state, none, 60.0)[0] == 1
