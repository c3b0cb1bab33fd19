"""Behaviours that other tools were found wanting in, by their ids: verdicts on evidence alone."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.evidence.made import (
    BUDGET,
    CANCELLED,
    ERRORS,
    SLO,
    STEP,
    T0,
    analysis,
    batch,
    begun,
    grown,
    said,
    the,
)

from tidegate.domain import evidence
from tidegate.domain.evidence import CountersAsk, Rated, Span, Unseen
from tidegate.stats import Counts


def drawn(rng: random.Random, n: int, rate: float) -> tuple[float, float]:
    return float(n), float(rng.binomialvariate(n, rate))


@pytest.mark.parametrize("seed", range(5))
def test_av_01_gross_failure_is_taken_back_within_two_evaluations(seed: int) -> None:
    rng = random.Random(seed)
    of = analysis(ERRORS, SLO)
    bad = [batch(drawn(rng, 1425, 0.01), drawn(rng, 75, 0.5), at=n) for n in range(2)]
    verdict = said(of, grown(of, *bad))
    assert verdict.verdict == "Rollback"
    assert "of 150" in verdict.message


@pytest.mark.parametrize("seed", range(3))
def test_av_02_scattered_blips_do_not_add_up_to_failure(seed: int) -> None:
    rng = random.Random(seed)
    of = analysis(ERRORS, SLO)
    entries = begun(of)
    for n in range(200):
        rate = 0.03 if n % 40 == 17 else 0.01
        entries = evidence.update(
            entries, of, batch(drawn(rng, 1425, 0.01), drawn(rng, 75, rate), at=n)
        )
        assert said(of, entries).verdict != "Rollback", n
    assert said(of, entries).verdict == "Promote"


def test_av_03_two_errors_against_none_say_nothing_yet() -> None:
    of = analysis(ERRORS, SLO)
    assert said(of, grown(of, batch((1425, 0), (75, 2)))).verdict == "Continue"


def test_av_05_a_shared_incident_blames_nobody_and_passes() -> None:
    rng = random.Random(5)
    of = analysis(ERRORS, SLO)
    entries = begun(of)
    for n in range(60):
        rate = 0.4 if 10 <= n < 34 else 0.01
        one = batch(drawn(rng, 1125, rate), drawn(rng, 375, rate), at=n)
        shared = evidence.common_cause(of, one)
        assert shared == ("slo" if rate == 0.4 else None)
        entries = evidence.update(entries, of, one)
        assert said(of, entries).verdict != "Rollback", n
    assert said(of, entries).verdict == "Promote"


def test_av_06_only_the_guard_is_broken_and_blamed() -> None:
    rng = random.Random(6)
    of = analysis({**ERRORS, "margin": {"ratio": 10, "absolute": 0.5}}, SLO)
    seen = [batch(drawn(rng, 1425, 0.01), drawn(rng, 75, 0.09), at=n) for n in range(30)]
    entries = grown(of, *seen)
    verdict = said(of, entries)
    assert (verdict.reason, verdict.metric) == ("GuardBroken", "slo")
    assert the(entries, "errors").verdict != "Rollback"


def test_av_11_promotion_needs_every_required_metric_and_names_those_missing() -> None:
    of = analysis(ERRORS, CANCELLED, BUDGET)
    good = [batch((5000, 50), (5000, 50), at=n) for n in range(6)]
    verdict = said(of, grown(of, *good))
    assert verdict.verdict == "Continue"
    assert "cancelled, budget" in verdict.message


@pytest.mark.parametrize("reason", ["NoData", "MetricsUnavailable", "BadMetric"])
def test_nd_06_no_number_is_no_verdict_and_valid_json(reason: str) -> None:
    of = analysis(ERRORS, BUDGET)
    unseen = Unseen(reason, "why")
    entries = grown(of, *[batch((5000, 50), (5000, 50), at=n, budget=unseen) for n in range(6)])
    assert said(of, entries).verdict == "Continue"
    assert the(entries, "budget").rollback == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.booleans(), min_size=1, max_size=15))
def test_every_second_is_asked_for_once_whatever_answers_are_missing(there: list[bool]) -> None:
    of = analysis(ERRORS, CANCELLED)
    entries = begun(of)
    counted: list[CountersAsk] = []
    for n, answered in enumerate(there):
        (ask,) = evidence.asks(entries, of, Span(T0 + n * STEP, T0 + (n + 1) * STEP))
        assert isinstance(ask, CountersAsk)
        seconds = (ask.end - ask.start) / timedelta(seconds=1)
        known = Rated(ask.end, Counts(0, seconds), Counts(0, seconds))
        if answered:
            counted.append(ask)
        answer = known if answered else Unseen("NoData", "not now")
        entries = evidence.update(entries, of, batch(at=n, cancelled=answer))
    ends = [T0, *(ask.end for ask in counted)]
    assert [ask.start for ask in counted] == ends[:-1]
    covered = (ends[-1] - T0) / timedelta(seconds=1)
    assert the(entries, "cancelled").candidate.n == covered
