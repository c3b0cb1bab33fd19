"""Copies of requests, and the time after the switch."""

from __future__ import annotations

import math

import pytest
from tests.domain.evidence.made import (
    AGREE,
    CALM,
    ERRORS,
    LATENCY,
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
from tidegate.domain.evidence import Baseline, Paired
from tidegate.stats import Counts
from tidegate.stats.intervals import rate_interval


def test_copies_take_back_and_the_message_says_shadow() -> None:
    of = analysis(ERRORS, SLO)
    bad = [batch((1000, 10), (1000, 900), at=n, shadow=True) for n in range(2)]
    verdict = said(of, grown(of, *bad))
    assert verdict.verdict == "Rollback"
    assert "all in shadow" in verdict.message


def test_copies_never_promote_and_count_for_no_minimum() -> None:
    of = analysis(ERRORS, LATENCY, SLO)
    good = [batch((5000, 50), (5000, 50), slow=0.05, at=n, shadow=True) for n in range(20)]
    entries = grown(of, *good)
    assert said(of, entries).verdict == "Continue"
    assert evidence.promotion_requests(entries) == 0
    assert [the(entries, name).promote for name in ("errors", "latency")] == [0, 0]


def test_requests_after_copies_count_from_zero_towards_promotion() -> None:
    of = analysis(ERRORS, minRequests=6000)
    copies = [batch((5000, 50), (5000, 50), at=n, shadow=True) for n in range(4)]
    real = [batch((5000, 50), (5000, 50), at=4 + n) for n in range(1)]
    entries = grown(of, *copies, *real)
    assert evidence.promotion_requests(entries) == 5000
    assert "20000 of them in shadow" in the(entries, "errors").message
    more = [batch((5000, 50), (5000, 50), at=5 + n) for n in range(6)]
    for one in more:
        entries = evidence.update(entries, of, one)
    assert said(of, entries).verdict == "Promote"


def test_baking_freezes_limits_from_what_stable_did() -> None:
    of = analysis(ERRORS)
    entries = grown(of, *[batch((5000, 50), (5000, 50), at=n) for n in range(4)])
    baked = evidence.bake(entries, of)
    (limit,) = evidence.state_of(the(baked, "errors"))["b"]
    upper = rate_interval(Counts(400, 40000), 0.01 / 4).upper
    assert limit == pytest.approx(max(1.5 * upper, upper + 0.005), rel=1e-6)
    assert evidence.bake(baked, of) == baked
    assert evidence.is_baked(baked)
    assert not evidence.is_baked(entries)


@pytest.mark.parametrize(
    ("errors", "verdict"), [(10, "Continue"), (14, "Continue"), (60, "Rollback")]
)
def test_a_promoted_version_is_judged_alone(errors: float, verdict: str) -> None:
    of = analysis(ERRORS, LATENCY)
    entries = grown(of, *[batch((5000, 50), (5000, 50), slow=0.1, at=n) for n in range(4)])
    entries = evidence.bake(entries, of)
    for n in range(10):
        one = batch(candidate=(1000, errors), slow=0.1, at=4 + n)
        entries = evidence.update(entries, of, one)
        assert evidence.readable(entries, of)
    judged = said(of, entries)
    assert judged.verdict == verdict
    if verdict == "Rollback":
        assert judged.metric == "errors"
        assert "as stable was before the promotion" in judged.message


def test_guards_go_on_after_the_switch() -> None:
    of = analysis({**ERRORS, "margin": {"ratio": 20, "absolute": 0.5}}, SLO)
    entries = evidence.bake(grown(of, batch((5000, 50), (5000, 50))), of)
    for n in range(3):
        entries = evidence.update(entries, of, batch(candidate=(1000, 100), at=1 + n))
    assert said(of, entries).metric == "slo"


def test_a_stable_nobody_knows_gives_a_limit_that_cannot_be_broken() -> None:
    of = analysis(ERRORS)
    nothing = Baseline(Counts(0, 0), CALM.latency)
    entries = evidence.bake(begun(of, nothing), of)
    entries = evidence.update(entries, of, batch(candidate=(1000, 300)))
    assert said(of, entries).verdict == "Continue"


def bursty(size: int, blocks: int = 240) -> Baseline:
    """Errors in clusters of a size, in one half or the other."""
    halves = tuple(
        (Counts(size * (n % 2), 1000), Counts(size * ((n + 1) % 2), 1000)) for n in range(blocks)
    )
    return Baseline(CALM.errors, CALM.latency, errors_halves=halves)


@pytest.mark.parametrize(
    ("baseline", "phi", "verified"),
    [(CALM, 1.0, False), (bursty(10, 239), 1.0, False), (bursty(10), 15.0, True)],
    ids=["no blocks", "too few blocks", "clusters of ten"],
)
def test_bursts_are_measured_on_stable_and_shown(
    baseline: Baseline, phi: float, verified: bool
) -> None:
    of = analysis(ERRORS, SLO)
    for entry in begun(of, baseline):
        assert entry.dispersion is not None
        assert entry.dispersion.phi == pytest.approx(phi, rel=0.05)
        assert entry.dispersion.verified is verified


def test_bursts_thin_the_evidence_and_not_what_people_see() -> None:
    of = analysis(ERRORS)
    one = batch((10000, 100), (1000, 60))
    plain = the(grown(of, one), "errors")
    thinned = the(grown(of, one, baseline=bursty(10)), "errors")
    assert thinned.candidate.n == pytest.approx(plain.candidate.n)
    assert thinned.candidate.bad == pytest.approx(plain.candidate.bad)
    assert thinned.rollback < plain.rollback / 3
    assert math.isfinite(thinned.rollback)


def test_pairs_of_copies_count_for_no_minimum_of_requests() -> None:
    of = analysis(ERRORS, AGREE, minRequests=500)
    end = T0 + STEP
    compared = Paired(end, Counts(bad=0, n=10_000))
    entries = grown(of, batch((9000, 90), (0, 0), shadow=True, agree=compared))
    assert evidence.promotion_requests(entries) == 0
    entries = evidence.update(entries, of, batch((9000, 90), (40, 0), at=1))
    assert evidence.promotion_requests(entries) == 40
