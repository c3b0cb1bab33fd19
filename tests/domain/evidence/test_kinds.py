"""What each type of metric asks, adds and says."""

from __future__ import annotations

import json
import math
import random
from datetime import timedelta
from typing import Any

import pytest
from tests.domain.evidence.made import (
    AGREE,
    BUDGET,
    CALM,
    CANCELLED,
    DRIFT,
    ERRORS,
    QUALITY,
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
from tidegate.domain.evidence import (
    Answer,
    CountersAsk,
    Paired,
    PairsAsk,
    Predicted,
    PredictionsAsk,
    Rated,
    Reading,
    Span,
    Unseen,
    ValueAsk,
    answers,
)
from tidegate.domain.evidence.condition import condition_problem, holds
from tidegate.domain.evidence.prediction_drift import usable, window_evidence
from tidegate.domain.evidence.registry import KINDS
from tidegate.domain.times import moment
from tidegate.stats import Counts

ALL: list[dict[str, Any]] = [ERRORS, SLO, CANCELLED, BUDGET, AGREE, DRIFT, QUALITY]


def span(at: int = 0, *, shadow: bool = False, baking: bool = False) -> Span:
    return Span(T0 + at * STEP, T0 + (at + 1) * STEP, shadow=shadow, baking=baking)


def rated(candidate: tuple[float, float], stable: tuple[float, float], at: int = 0) -> Rated:
    """(n, bad) of both arms."""
    return Rated(
        T0 + (at + 1) * STEP, Counts(candidate[1], candidate[0]), Counts(stable[1], stable[0])
    )


def test_every_type_of_the_api_has_a_judge() -> None:
    assert {metric["type"] for metric in ALL} | {"Latency"} == KINDS.keys()


def test_a_batch_asks_only_for_what_it_can_use() -> None:
    of = analysis(*ALL)
    entries = grown(of, batch((100, 0), (100, 0)))

    def asked(where: Span) -> list[type]:
        return [type(ask) for ask in evidence.asks(entries, of, where)]

    assert asked(span(1)) == [CountersAsk, ValueAsk, PredictionsAsk]
    assert asked(span(1, shadow=True)) == [CountersAsk, ValueAsk, PairsAsk, PredictionsAsk]
    assert asked(span(1, baking=True)) == [CountersAsk, ValueAsk]
    matured = Span(T0 + timedelta(hours=2), T0 + timedelta(hours=3), baking=True)
    assert asked(matured) == [CountersAsk, ValueAsk, CountersAsk]


def test_a_missing_answer_is_asked_for_again_from_where_it_was_missed() -> None:
    of = analysis(ERRORS, CANCELLED)
    gone = Unseen("MetricsUnavailable", "down")
    entries = grown(of, batch((100, 0), (100, 0), cancelled=gone), batch(at=1, cancelled=gone))
    (ask,) = evidence.asks(entries, of, span(2))
    assert isinstance(ask, CountersAsk)
    assert (ask.start, ask.end) == (T0, T0 + 3 * STEP)
    entries = evidence.update(entries, of, batch(at=2, cancelled=rated((30, 1), (90, 1), 2)))
    (ask,) = evidence.asks(entries, of, span(3))
    assert isinstance(ask, CountersAsk)
    assert ask.start == T0 + 3 * STEP
    assert the(entries, "cancelled").candidate.n == 30


def test_a_missing_answer_is_named_and_blocks_no_other_metric() -> None:
    of = analysis(ERRORS, CANCELLED)
    gone = Unseen("NoData", "no series")
    bad = [batch((1000, 10), (1000, 500), at=n, cancelled=gone) for n in range(2)]
    assert evidence.missing_answer(bad[0]) == Unseen("NoData", "metric cancelled: no series")
    verdict = said(of, grown(of, *bad))
    assert (verdict.verdict, verdict.metric) == ("Rollback", "errors")


def test_counters_take_back_and_promote_like_errors() -> None:
    of = analysis(CANCELLED)
    worse = [batch(at=n, cancelled=rated((500, 40), (5000, 50), n)) for n in range(8)]
    assert said(of, grown(of, *worse)).metric == "cancelled"
    same = [batch(at=n, cancelled=rated((5000, 50), (5000, 50), n)) for n in range(8)]
    assert said(of, grown(of, *same)).verdict == "Promote"


def test_no_promotion_while_any_comparison_has_no_evidence() -> None:
    of = analysis(ERRORS, CANCELLED)
    good = [batch((5000, 50), (5000, 50), at=n) for n in range(8)]
    verdict = said(of, grown(of, *good))
    assert (verdict.verdict, verdict.metric) == ("Continue", "cancelled")
    assert "cancelled" in verdict.message


def test_a_limit_on_counters_blames_only_the_candidate() -> None:
    guard = {key: value for key, value in CANCELLED.items() if key != "margin"} | {"max": 0.05}
    of = analysis(ERRORS, guard)
    alone = batch((1000, 10), (1000, 10), cancelled=rated((1000, 200), (1000, 10)))
    assert evidence.common_cause(of, alone) is None
    assert said(of, grown(of, alone)).reason == "GuardBroken"
    both = batch((1000, 10), (1000, 10), cancelled=rated((1000, 200), (1000, 200)))
    assert evidence.common_cause(of, both) == "cancelled"
    assert said(of, grown(of, both)).verdict == "Continue"


# -- Value ---------------------------------------------------------------------------------------


def reading(value: float, at: int = 0) -> Reading:
    return Reading(T0 + (at + 1) * STEP, value, value == value and holds("value < 0.2", value))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.1] * 4, "Promote"),
        ([0.1, 0.1, 0.1, 0.5], "Continue"),
        ([0.5, 0.5, 0.1, 0.5], "Continue"),
        ([0.1, 0.5, 0.5, 0.5], "Rollback"),
        ([0.1, 0.5, math.inf, 0.5], "Rollback"),
        ([0.5, math.nan, 0.5, math.nan], "Continue"),
        ([math.nan] * 4, "Continue"),
    ],
)
def test_a_value_takes_back_only_after_failures_in_a_row(values: list[float], verdict: str) -> None:
    of = analysis(ERRORS, BUDGET)
    good = [
        batch((5000, 50), (5000, 50), at=n, budget=reading(value, n))
        for n, value in enumerate(values)
    ]
    entries = grown(of, *good)
    assert said(of, entries).verdict == verdict
    json.dumps([entry.wire() for entry in entries], allow_nan=False)


def test_a_value_that_does_not_hold_keeps_promotion_waiting_and_says_so() -> None:
    of = analysis(ERRORS, BUDGET)
    good = [batch((5000, 50), (5000, 50), at=n, budget=reading(0.7)) for n in range(2)]
    verdict = said(of, grown(of, *good))
    assert (verdict.reason, verdict.metric) == ("EvidenceMissing", "budget")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("value <", "cannot be judged"),
        ("vaule < 0.2", "cannot be judged"),
        ("value", "true or false"),
        ("'no'", "true or false"),
    ],
)
def test_a_text_that_is_no_condition_stops_the_attempt_before_it_starts(
    text: str, said: str
) -> None:
    found = evidence.start(analysis(ERRORS, {**BUDGET, "condition": text}), CALM)
    assert isinstance(found, Unseen)
    assert found.reason == "BadMetric"
    assert "budget" in found.message
    assert said in found.message
    assert 'like "value < 0.2"' in found.message


def test_a_condition_may_fail_for_some_numbers_only() -> None:
    assert condition_problem("1.0 / value > 0.1 || value == 0.0") is None
    with pytest.raises(ValueError, match="true or false"):
        holds("value > 1.0 ? true : 'x' == 'x' ? 3 : 4", 0.5)


# -- Disagreement --------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "verdict"), [(0.01, "Continue"), (0.06, "Rollback")])
def test_disagreement_takes_back_and_never_promotes(share: float, verdict: str) -> None:
    of = analysis(ERRORS, AGREE)
    pairs = [
        batch((300, 3), (300, 3), at=n, shadow=True, agree=Paired(T0, Counts(300 * share, 300)))
        for n in range(10)
    ]
    entries = grown(of, *pairs)
    verdict_now = said(of, entries)
    assert verdict_now.verdict == verdict
    assert the(entries, "agree").promote is None
    if verdict == "Rollback":
        assert "in shadow" in verdict_now.message


# -- PredictionDrift -----------------------------------------------------------------------------


def predicted(seed: int, n: int, candidate: list[float], stable: list[float]) -> Predicted:
    rng = random.Random(seed)

    def arm(shares: list[float]) -> dict[str, dict[str, float]]:
        drawn = rng.choices(range(len(shares)), weights=shares, k=n)
        return {"p": {f"[{i}]": float(drawn.count(i)) for i in range(len(shares))}}

    return Predicted(T0, arm(candidate), arm(stable))


EVEN = [0.1] * 10
SHIFTED = [0.16, 0.14, 0.12, 0.1, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04]
A_LITTLE = [0.105, 0.103, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.097, 0.095]


@pytest.mark.parametrize(
    ("candidate", "verdict"), [(EVEN, "Continue"), (A_LITTLE, "Continue"), (SHIFTED, "Rollback")]
)
def test_drift_takes_back_what_predicts_otherwise(candidate: list[float], verdict: str) -> None:
    of = analysis(ERRORS, DRIFT)
    seen = [batch(at=n, drift=predicted(n, 500, candidate, EVEN)) for n in range(60)]
    entries = grown(of, *seen)
    assert said(of, entries).verdict == verdict
    assert the(entries, "drift").promote is None
    assert len(the(entries, "drift").state) < 2000


def test_drift_rarely_blames_an_identical_version() -> None:
    of = analysis(ERRORS, {**DRIFT, "max": 0.001}, falseRollbackRate=0.1)
    blamed = 0
    for run in range(60):
        seen = [batch(at=n, drift=predicted(run * 100 + n, 1000, EVEN, EVEN)) for n in range(10)]
        blamed += said(of, grown(of, *seen)).verdict == "Rollback"
    assert blamed <= 60 * 0.1


def test_a_constant_prediction_is_no_drift() -> None:
    assert window_evidence({"[0]": [1000, 1000]}) == (0.0, 0.0)
    assert window_evidence({}) == (0.0, 0.0)


def test_sparse_bins_are_merged_and_nothing_is_lost() -> None:
    bins = {"a": [500.0, 480.0], "b": [490.0, 515.0], "c": [3.0, 2.0], "d": [0.0, 1.0]}
    candidate, stable = usable(bins)
    assert len(candidate) == 2
    assert (sum(candidate), sum(stable)) == (993.0, 998.0)


def test_many_bins_and_outputs_keep_the_state_small() -> None:
    of = analysis(ERRORS, DRIFT)
    outputs = {f"o{i}": {f"[{b},{b + 1})": 5.0 for b in range(62)} for i in range(30)}
    entries = grown(of, batch(drift=Predicted(T0, outputs, outputs)))
    assert len(the(entries, "drift").state) < 5000


# -- Labels --------------------------------------------------------------------------------------


def labelled(
    candidate: tuple[float, float, float], stable: tuple[float, float, float], at: int
) -> Rated:
    """(requests, labels, bad labels) of both arms."""
    end = T0 + timedelta(hours=1) + (at + 1) * STEP
    return Rated(
        end,
        Counts(candidate[2], candidate[1]),
        Counts(stable[2], stable[1]),
        (candidate[0], stable[0]),
    )


def test_labels_are_asked_by_cohort_from_the_first_request_on() -> None:
    of = analysis(ERRORS, QUALITY)
    entries = grown(of, batch((100, 0), (100, 0)))
    much_later = Span(T0 + timedelta(hours=5), T0 + timedelta(hours=5) + STEP, baking=True)
    (ask,) = evidence.asks(entries, of, much_later)
    assert isinstance(ask, CountersAsk)
    assert ask.cohort == timedelta(hours=1)
    assert ask.start == T0 + timedelta(hours=1)
    assert ask.end == T0 + timedelta(hours=2)
    assert not evidence.asks(entries, of, span(0, baking=True))


@pytest.mark.parametrize(
    ("candidate", "metric"),
    [((1000, 900, 90), ""), ((1000, 900, 300), "quality"), ((1000, 600, 60), "quality")],
    ids=["alike", "worse labels", "labels go missing"],
)
def test_labels_take_back_while_baking(candidate: tuple[float, float, float], metric: str) -> None:
    of = analysis(ERRORS, QUALITY)
    entries = evidence.bake(grown(of, batch((5000, 50), (5000, 50))), of)
    for n in range(4):
        answer = labelled(candidate, (1000, 900, 90), n)
        entries = evidence.update(entries, of, batch(at=n + 1, quality=answer))
    verdict = said(of, entries)
    assert verdict.metric == metric
    assert verdict.verdict == ("Rollback" if metric else "Continue")
    state = evidence.state_of(the(entries, "quality"))
    assert moment(state["at"]) == T0 + timedelta(hours=1) + 4 * STEP


def test_labels_never_vote_before_the_switch() -> None:
    of = analysis(ERRORS, QUALITY)
    good = [batch((5000, 50), (5000, 50), at=n) for n in range(8)]
    assert said(of, grown(of, *good)).verdict == "Promote"


def test_cohorts_begin_with_the_first_request_and_not_with_a_wait_for_an_approval() -> None:
    of = analysis(ERRORS, QUALITY)
    entries = grown(of, batch((100, 0), (0, 0)), batch((100, 0), (100, 0), at=400))
    state = evidence.state_of(the(entries, "quality"))
    assert moment(state["from"]) == T0 + 400 * STEP


@pytest.mark.parametrize(
    ("reason", "at", "skipped"),
    [("NoData", 481, False), ("NoData", 530, True), ("MetricsUnavailable", 530, False)],
)
def test_an_hour_without_samples_is_skipped_after_a_while(
    reason: str, at: int, skipped: bool
) -> None:
    of = analysis(ERRORS, QUALITY)
    entries = evidence.bake(grown(of, batch((100, 0), (100, 0))), of)
    entries = evidence.update(entries, of, batch(at=at, quality=Unseen(reason, "none")))
    now = T0 + (at + 1) * STEP
    (ask,) = evidence.asks(entries, of, Span(now - STEP, now, baking=True))
    assert isinstance(ask, CountersAsk)
    assert ask.start == T0 + timedelta(hours=2 if skipped else 1)


# -- all of them ---------------------------------------------------------------------------------


def test_all_types_together_stay_small_and_survive_a_restart() -> None:
    of = analysis(*ALL)
    entries = begun(of)
    for n in range(5):
        one = batch(
            (1000, 10),
            (1000, 10),
            at=n,
            cancelled=rated((100, 1), (900, 9), n),
            budget=reading(0.1, n),
            drift=predicted(n, 300, EVEN, EVEN),
        )
        entries = evidence.update(entries, of, one)
        assert evidence.readable(entries, of)
    text = json.dumps([entry.wire() for entry in entries], allow_nan=False)
    assert len(text) < 10_000


def test_answers_survive_being_written_down() -> None:
    known: dict[str, Answer] = {
        "a": rated((30, 1), (90, 2)),
        "b": Rated(T0, Counts(1, 2), Counts(3, 4), (5.0, 6.0)),
        "arms": Rated(T0, Counts(1, 2), Counts(3, 4), others={"r3": Counts(5, 6)}),
        "c": Paired(T0, Counts(1, 300)),
        "d": Reading(T0, math.inf, holds=False),
        "e": predicted(1, 20, EVEN, EVEN),
        "f": Unseen("NoData", "no series"),
    }
    text = json.dumps(answers.to_json(known), allow_nan=False)
    assert answers.from_json(json.loads(text)) == known
    with pytest.raises(ValueError, match="no kind of answer"):
        answers.from_json({"a": ["other", "x"]})


def test_evidence_of_other_metrics_is_not_readable() -> None:
    entries = begun(analysis(ERRORS, SLO))
    assert not evidence.readable(entries, analysis(ERRORS, BUDGET))
    assert not evidence.readable(entries, analysis(ERRORS, {**SLO, "type": "PredictionDrift"}))
