"""Each rule of observation, on samples of a gateway that is scraped every second."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.metrics.base import ArmCounts, NoData
from tidegate.metrics.counters import (
    Counted,
    Instance,
    Recording,
    Recordings,
    Samples,
    count,
    silent,
)

ONE: Instance = ("envoy", "gw-1")
TWO: Instance = ("envoy", "gw-2")


def recording(
    scrapes: list[float],
    *,
    good: Samples = (),
    bad: Samples = (),
    fast: Samples = (),
    timed: Samples = (),
) -> Recording:
    made = Recording(scrapes=set(scrapes))
    named = {"2": good, "5": bad}
    made.classes = {name: [samples] for name, samples in named.items() if samples}
    bounds = {10.0: fast, math.inf: timed}
    made.buckets = {bound: [samples] for bound, samples in bounds.items() if samples}
    return made


def steady(first: int, last: int, rate: float) -> list[tuple[float, float]]:
    return [(float(t), rate * t) for t in range(first, last + 1)]


def counted(
    known: Recordings,
    clusters: list[str] | None = None,
    *,
    begin: float = 10,
    end: float = 20,
    thresholds: list[float] | None = None,
    gone: list[Instance] | None = None,
) -> Counted | NoData:
    return count(
        known,
        clusters or ["a"],
        begin=begin,
        end=end,
        thresholds_ms=thresholds or [],
        stale_after=2.0,
        gone=gone or [],
    )


def the_arm(result: Counted | NoData, cluster: str = "a") -> ArmCounts:
    assert isinstance(result, Counted), result
    return result.arms[cluster]


def every_second(first: int = 7, last: int = 20) -> list[float]:
    return [float(t) for t in range(first, last + 1)]


def test_a_batch_is_what_the_counters_rose_by() -> None:
    known: Recordings = {
        ONE: {"a": recording(every_second(), good=steady(7, 20, 5), bad=steady(7, 20, 1))}
    }
    result = counted(known)
    assert the_arm(result) == ArmCounts(requests=60, errors=10)
    assert isinstance(result, Counted)
    assert result.begin == 10


def test_samples_after_the_end_belong_to_the_next_batch() -> None:
    known: Recordings = {ONE: {"a": recording(every_second(7, 25), good=steady(7, 25, 5))}}
    assert the_arm(counted(known)).requests == 50
    assert the_arm(counted(known, begin=20, end=25)).requests == 25


def test_the_first_error_of_a_cluster_is_not_lost() -> None:
    late = [(18.0, 3.0), (19.0, 3.0), (20.0, 4.0)]
    known: Recordings = {ONE: {"a": recording(every_second(), good=steady(7, 20, 5), bad=late)}}
    assert the_arm(counted(known)) == ArmCounts(requests=54, errors=4)


def test_a_cluster_without_any_answer_has_zeros() -> None:
    assert the_arm(counted({ONE: {"a": recording(every_second())}})) == ArmCounts(0, 0)


def test_a_restarted_gateway_counts_from_zero_for_each_of_its_counters() -> None:
    good = [(9.0, 500.0), (14.0, 510.0), (15.0, 4.0), (20.0, 9.0)]
    bad = [(9.0, 2.0), (14.0, 2.0), (15.0, 3.0), (20.0, 3.0)]  # rose across the restart
    known: Recordings = {ONE: {"a": recording([9.0, 14.0, 15.0, 20.0], good=good, bad=bad)}}
    assert the_arm(counted(known)) == ArmCounts(requests=10 + 9 + 3, errors=3)


def test_an_error_class_that_vanished_in_a_restart_counts_again_from_zero() -> None:
    good = [(9.0, 500.0), (14.0, 500.0), (15.0, 4.0), (20.0, 9.0)]
    bad = [(9.0, 2.0), (14.0, 2.0), (20.0, 7.0)]
    known: Recordings = {ONE: {"a": recording([9.0, 14.0, 15.0, 20.0], good=good, bad=bad)}}
    assert the_arm(counted(known)).errors == 7


def test_nan_is_skipped_and_never_zero() -> None:
    good = [(9.0, math.nan), (12.0, 100.0), (15.0, math.nan), (20.0, 130.0)]
    known: Recordings = {ONE: {"a": recording([9.0, 12.0, 15.0, 20.0], good=good)}}
    assert the_arm(counted(known)).requests == 30


def test_both_arms_are_counted_over_the_same_scrapes() -> None:
    known: Recordings = {
        ONE: {
            "a": recording(every_second(), good=steady(7, 20, 5)),
            "b": recording(every_second(14, 20), good=steady(14, 20, 2)),
        }
    }
    result = counted(known, ["a", "b"])
    assert isinstance(result, Counted)
    assert result.begin == 14
    assert result.arms["a"].requests == 30
    assert result.arms["b"].requests == 12


def test_a_gap_in_the_samples_loses_nothing_when_the_counters_go_on() -> None:
    scrapes = [9.0, 10.0, 19.0, 20.0]
    good = [(t, 5 * t) for t in scrapes]
    assert the_arm(counted({ONE: {"a": recording(scrapes, good=good)}})).requests == 50


def test_samples_lost_by_prometheus_move_the_start() -> None:
    result = counted({ONE: {"a": recording(every_second(16), good=steady(16, 20, 5))}})
    assert isinstance(result, Counted)
    assert result.begin == 16
    assert result.arms["a"].requests == 20


def test_an_instance_that_starts_meanwhile_adds_what_was_seen_of_it() -> None:
    known: Recordings = {
        ONE: {"a": recording(every_second(), good=steady(7, 20, 5))},
        TWO: {"a": recording(every_second(17), good=steady(17, 20, 5))},
    }
    result = counted(known)
    assert isinstance(result, Counted)
    assert result.begin == 10
    assert result.arms["a"].requests == 50 + 15


@pytest.mark.parametrize("last", [9, 12, 17])
def test_a_silent_instance_makes_no_data(last: int) -> None:
    known: Recordings = {
        ONE: {"a": recording(every_second(), good=steady(7, 20, 5))},
        TWO: {"a": recording(every_second(7, last), good=steady(7, last, 5))},
    }
    assert silent(known, end=20, stale_after=2.0) == [TWO]
    result = counted(known)
    assert isinstance(result, NoData)
    assert "gw-2" in result.reason


def test_what_an_instance_said_before_it_went_is_final() -> None:
    known: Recordings = {
        ONE: {"a": recording(every_second(), good=steady(7, 20, 5))},
        TWO: {"a": recording(every_second(7, 12), good=steady(7, 12, 5))},
    }
    assert the_arm(counted(known, gone=[TWO])).requests == 60


def test_a_gateway_that_went_altogether_is_no_data() -> None:
    known: Recordings = {ONE: {"a": recording(every_second(7, 12), good=steady(7, 12, 5))}}
    assert isinstance(counted(known, gone=[ONE]), NoData)


def test_an_instance_that_does_not_know_an_arm_yet_is_no_data() -> None:
    both = {
        "a": recording(every_second(), good=steady(7, 20, 5)),
        "b": recording(every_second(), good=steady(7, 20, 1)),
    }
    result = counted({ONE: both, TWO: {"a": both["a"]}}, ["a", "b"])
    assert isinstance(result, NoData)
    assert "gw-2" in result.reason
    assert " b" in result.reason


def test_one_scrape_is_not_an_interval() -> None:
    assert isinstance(counted({ONE: {"a": recording([20.0], good=[(20.0, 5.0)])}}), NoData)


def test_slow_requests_are_those_above_the_boundary() -> None:
    known: Recordings = {
        ONE: {
            "a": recording(
                every_second(),
                good=steady(7, 20, 5),
                fast=steady(7, 20, 3),
                timed=steady(7, 20, 5),
            )
        }
    }
    arm = the_arm(counted(known, thresholds=[10.0]))
    assert arm.slow == (20.0,)
    assert arm.timed == 50
    assert arm.slow_counts(0).estimate == pytest.approx(0.4)


def test_a_threshold_that_is_no_boundary_is_no_data() -> None:
    known: Recordings = {
        ONE: {"a": recording(every_second(), fast=steady(7, 20, 3), timed=steady(7, 20, 5))}
    }
    result = counted(known, thresholds=[25.0])
    assert isinstance(result, NoData)
    assert "25 ms" in result.reason


def test_a_counter_that_vanished_does_not_make_its_siblings_count_twice() -> None:
    good = [(9.0, 0.0), (12.0, 0.0), (15.0, 1.0), (20.0, 1.0)]
    bad = [(9.0, 2.0), (20.0, 1.0)]  # restarted before 12, and failed once after 15
    known: Recordings = {ONE: {"a": recording([9.0, 12.0, 15.0, 20.0], good=good, bad=bad)}}
    assert the_arm(counted(known)) == ArmCounts(requests=2, errors=1)


@settings(max_examples=300)
@given(
    rises=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=4, max_size=25),
    cuts=st.sets(st.integers(1, 24), max_size=4),
    restarts=st.sets(st.integers(1, 24), max_size=2),
)
def test_batches_that_follow_each_other_count_every_request_once(
    rises: list[tuple[int, int]], cuts: set[int], restarts: set[int]
) -> None:
    good = bad = 0
    seen_good, seen_bad = [], []
    for moment, (more_good, more_bad) in enumerate(rises):
        if moment in restarts:
            good = bad = 0
        good, bad = good + more_good, bad + more_bad
        seen_good.append((float(moment), float(good)))
        if bad:
            seen_bad.append((float(moment), float(bad)))
    end = len(rises) - 1
    scrapes = [float(t) for t in range(end + 1)]
    known: Recordings = {ONE: {"a": recording(scrapes, good=seen_good, bad=seen_bad)}}
    edges = [0, *sorted(c for c in cuts if c < end), end]
    parts = [the_arm(counted(known, begin=low, end=high)) for low, high in pairwise(edges)]
    whole = the_arm(counted(known, begin=0, end=end))
    assert sum(p.requests for p in parts) == whole.requests
    assert sum(p.errors for p in parts) == whole.errors
    assert whole.requests <= sum(a + b for a, b in rises[1:])
    if not restarts:
        assert whole.requests == sum(a + b for a, b in rises[1:])
