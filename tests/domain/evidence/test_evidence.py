"""What batches add up to, and what that says, by the written rules."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.api.analysis import Analysis
from tidegate.api.rollout_status import Evidence
from tidegate.domain import evidence
from tidegate.domain.evidence import Arm, Baseline, Batch, Unseen
from tidegate.stats import Counts, Histogram

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
LATENCY = {"name": "latency", "type": "Latency", "quantiles": [0.5], "margin": {"ratio": 1.5}}
SLO = {"name": "slo", "type": "ErrorRate", "max": 0.05}
BOUNDS = (10.0, 20.0, 30.0, 50.0, math.inf)
CALM = Baseline(Counts(bad=20, n=20000), Histogram(BOUNDS, (2000, 10000, 18000, 19900, 20000)))


def analysis(*metrics: dict[str, Any], **more: Any) -> Analysis:
    return Analysis.model_validate({"metrics": list(metrics) or [ERRORS, SLO], **more})


def begun(of: Analysis, baseline: Baseline = CALM) -> list[Evidence]:
    found = evidence.start(of, baseline)
    assert not isinstance(found, Unseen)
    return found


def batch(
    stable: tuple[float, float], candidate: tuple[float, float], *, slow: float = 0, at: int = 0
) -> Batch:
    """Arms as (requests, errors); `slow` is the share of both that is slower than the bound."""
    start = T0 + timedelta(seconds=5 * at)
    arms = [Arm(requests=n, errors=bad, slow=(slow * n,)) for n, bad in (stable, candidate)]
    return Batch(start, start + timedelta(seconds=5), arms[0], arms[1])


def judged(of: Analysis, *batches: Batch, baseline: Baseline = CALM) -> evidence.Judgement:
    entries = begun(of, baseline)
    for one in batches:
        entries = evidence.update(entries, of, one)
    requests = sum(one.candidate.requests for one in batches)
    return evidence.judge(entries, of, candidate_requests=requests)


@pytest.mark.scenario("AV-03")
def test_two_errors_against_none_say_nothing_yet() -> None:
    said = judged(analysis(ERRORS, SLO), batch((1425, 0), (75, 2)))
    assert said.verdict == "Continue"


def test_many_good_requests_promote_only_beyond_the_least_number() -> None:
    of = analysis(ERRORS, minRequests=100_000)
    good = [batch((5000, 5), (5000, 5), at=n) for n in range(10)]
    assert judged(of, *good).reason == "RequestsMissing"
    of = analysis(ERRORS, minRequests=500)
    assert judged(of, *good).verdict == "Promote"


def test_an_error_free_stable_can_be_followed() -> None:
    clean = Baseline(Counts(bad=0, n=20000), CALM.latency)
    good = [batch((2000, 0), (2000, 0), at=n) for n in range(5)]
    assert judged(analysis(ERRORS), *good, baseline=clean).verdict == "Promote"


def test_rollback_is_said_before_promote_and_names_the_metric() -> None:
    bad = [batch((1000, 1), (1000, 115), at=n) for n in range(3)]
    said = judged(analysis(ERRORS, SLO), *bad)
    assert said.verdict == "Rollback"
    assert said.metric in ("errors", "slo")
    assert "of 3000" in said.message


def test_a_guard_is_blamed_only_for_the_candidate() -> None:
    both = batch((1000, 400), (1000, 400))
    of = analysis({**ERRORS, "margin": {"ratio": 20, "absolute": 0.5}}, SLO)
    assert evidence.common_cause(of, both) == "slo"
    assert judged(of, both).verdict != "Rollback"
    alone = batch((1000, 1), (1000, 90))
    assert evidence.common_cause(of, alone) is None
    assert judged(of, alone).reason == "GuardBroken"


def test_a_stable_out_of_its_limit_before_the_attempt_switches_the_guard_off() -> None:
    worse = Baseline(Counts(bad=2000, n=20000), CALM.latency)
    of = analysis({**ERRORS, "margin": {"ratio": 20, "absolute": 0.5}}, SLO)
    said = judged(of, batch((1000, 40), (1000, 90)), baseline=worse)
    assert said.reason != "GuardBroken"


def test_a_latency_bound_is_frozen_at_the_start() -> None:
    of = analysis(LATENCY)
    entries = begun(of)
    bounds = evidence.bounds_ms(entries)
    assert bounds == (30.0,)
    for n in range(5):
        entries = evidence.update(entries, of, batch((500, 0), (500, 0), slow=0.1, at=n))
        assert evidence.bounds_ms(entries) == bounds


def test_too_short_a_baseline_is_a_hold_and_no_start() -> None:
    few = Baseline(Counts(bad=0, n=10), Histogram(BOUNDS, (1, 5, 9, 10, 10)))
    found = evidence.start(analysis(LATENCY), few)
    assert isinstance(found, Unseen)
    assert found.reason == "NoBaseline"
    assert "latency" in found.message


def test_metrics_without_latency_need_no_histogram() -> None:
    empty = Baseline(Counts(bad=0, n=0), Histogram((), ()))
    assert not isinstance(evidence.start(analysis(ERRORS, SLO), empty), Unseen)
    assert not evidence.needs_latency(analysis(ERRORS, SLO))
    assert evidence.needs_latency(analysis(LATENCY))


def test_levels_split_the_error_rates_as_written() -> None:
    of = analysis(ERRORS, SLO, {**SLO, "name": "slo2"}, falseRollbackRate=0.01)
    assert evidence.rollback_level(of) == pytest.approx(math.log(2 / 0.01))
    assert evidence.guard_level(of) == pytest.approx(math.log(2 * 2 / 0.01))
    assert evidence.promote_level(of) == pytest.approx(math.log(1 / 0.05))


COUNTS = st.integers(0, 5000).flatmap(
    lambda n: st.tuples(st.just(float(n)), st.integers(0, n).map(float))
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(COUNTS, COUNTS, st.sampled_from([0.0, 0.1, 1.0])), max_size=6))
def test_evidence_is_json_without_nan_and_survives_a_restart(
    seen: list[tuple[tuple[float, float], tuple[float, float], float]],
) -> None:
    of = analysis(ERRORS, LATENCY, SLO)
    kept = stored = begun(of)
    for at, (stable, candidate, slow) in enumerate(seen):
        one = batch(stable, candidate, slow=slow, at=at)
        kept = evidence.update(kept, of, one)
        text = json.dumps([entry.wire() for entry in stored], allow_nan=False)
        stored = evidence.update([Evidence.model_validate(e) for e in json.loads(text)], of, one)
    assert stored == kept
    text = json.dumps([entry.wire() for entry in kept], allow_nan=False)
    assert len(text) < 8 * 1024
