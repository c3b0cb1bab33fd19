"""A request makes at most one pair, whatever comes first, late, twice or never."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tidegate.comparing.arms import Arm
from tidegate.comparing.join import WINDOW_S, Join, Pair, Unpaired
from tidegate.serving.records import Record, Tensor

STABLE, CANDIDATE = Arm.STABLE, Arm.CANDIDATE


def record(request_id: str, status: int = 200) -> Record:
    return Record(id=request_id, status=status)


def test_a_pair_is_made_in_both_orders() -> None:
    for first, second in ((STABLE, CANDIDATE), (CANDIDATE, STABLE)):
        join = Join()
        answers = {STABLE: record("r", 200), CANDIDATE: record("r", 500)}
        assert join.add(first, answers[first], now=0) is None
        pair = join.add(second, answers[second], now=30)
        assert pair == Pair(stable=answers[STABLE], candidate=answers[CANDIDATE])
        assert len(join) == 0
        assert not join.take_unpaired()


def test_a_record_waits_for_the_window_and_is_then_unpaired_by_who_is_missing() -> None:
    join = Join()
    join.add(STABLE, record("a"), now=0)
    join.add(CANDIDATE, record("b"), now=1)
    join.expire(now=WINDOW_S - 0.1)
    assert not join.take_unpaired()
    join.expire(now=WINDOW_S + 1)
    assert join.take_unpaired() == {Unpaired.CANDIDATE_MISSING: 1, Unpaired.STABLE_MISSING: 1}
    assert not join.take_unpaired()


def test_a_partner_that_comes_after_the_window_makes_no_pair() -> None:
    join = Join()
    join.add(STABLE, record("a"), now=0)
    join.expire(now=61)
    assert join.add(CANDIDATE, record("a"), now=62) is None
    assert join.take_unpaired() == {Unpaired.CANDIDATE_MISSING: 1, Unpaired.REPEATED: 1}


def test_an_id_that_comes_twice_makes_one_pair() -> None:
    join = Join()
    join.add(STABLE, record("a"), now=0)
    assert join.add(STABLE, record("a"), now=1) is None
    assert join.add(CANDIDATE, record("a"), now=2) is not None
    for arm in Arm:
        assert join.add(arm, record("a"), now=3) is None
    assert join.take_unpaired() == {Unpaired.REPEATED: 3}


def test_an_id_may_be_used_again_after_the_window() -> None:
    join = Join()
    join.add(STABLE, record("a"), now=0)
    join.add(CANDIDATE, record("a"), now=0)
    join.expire(now=61)
    join.add(STABLE, record("a"), now=62)
    assert join.add(CANDIDATE, record("a"), now=62) is not None


def test_too_many_that_wait_push_out_the_oldest() -> None:
    join = Join(max_waiting=3)
    for number in range(5):
        join.add(STABLE, record(str(number)), now=number)
    assert len(join) == 3
    assert join.take_unpaired() == {Unpaired.OVERFLOW: 2}
    assert join.add(CANDIDATE, record("0"), now=9) is None
    assert join.add(CANDIDATE, record("4"), now=9) is not None


def test_too_many_values_that_wait_push_out_the_oldest() -> None:
    def holding(request_id: str, datatype: str, data: list[object]) -> Record:
        return Record(request_id, 200, (Tensor("y", datatype, (len(data),), data),))

    join = Join(max_values=25)
    for number in range(3):
        join.add(STABLE, holding(str(number), "FP64", [0.5] * 10), now=number)
    assert join.take_unpaired() == {Unpaired.OVERFLOW: 1}
    assert join.add(CANDIDATE, holding("1", "FP64", [0.5] * 10), now=4) is not None
    join.add(STABLE, holding("text", "BYTES", ["x" * 160]), now=5)
    assert join.take_unpaired() == {Unpaired.OVERFLOW: 1}
    assert join.add(CANDIDATE, record("text"), now=6) is not None
    join.add(STABLE, holding("huge", "FP64", [0.5] * 26), now=7)
    assert join.take_unpaired() == {Unpaired.OVERFLOW: 1}
    assert len(join) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Arm)),
            st.sampled_from("abcdef"),
            st.sampled_from([0.0, 5.0, 40.0]),
        ),
        max_size=80,
    )
)
def test_every_record_is_half_a_pair_or_unpaired_once(
    steps: list[tuple[Arm, str, float]],
) -> None:
    join = Join(max_waiting=4)
    now, pairs, unpaired = 0.0, 0, Counter[Unpaired]()
    for arm, request_id, seconds in steps:
        now += seconds
        join.expire(now=now)
        pair = join.add(arm, record(request_id), now=now)
        if pair is not None:
            pairs += 1
            assert pair.stable.id == pair.candidate.id == request_id
        unpaired += join.take_unpaired()
    join.expire(now=now + 61)
    unpaired += join.take_unpaired()
    assert len(join) == 0
    assert 2 * pairs + unpaired.total() == len(steps)
