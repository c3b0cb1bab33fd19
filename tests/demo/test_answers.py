from __future__ import annotations

import pytest

from tidegate.demo.answers import Answer, Blame, Ledger, Tally


def answer(
    status: int, revision: str = "m-1", *, at: float = 0.0, milliseconds: float = 1.0
) -> Answer:
    return Answer(0, at, status, revision, milliseconds)


@pytest.mark.parametrize(
    ("status", "revision", "blame"),
    [
        (200, "m-1", Blame.NONE),
        (500, "m-1", Blame.VERSION),
        (503, "m-1", Blame.VERSION),
        (503, "", Blame.OURS),  # the gateway's own
        (500, "", Blame.OURS),
        (404, "", Blame.OURS),
        (400, "m-1", Blame.OURS),  # the request was wrong, so the replay is
        (200, "", Blame.OURS),  # somebody else answered
        (0, "", Blame.OURS),  # no answer at all
    ],
)
def test_a_failure_is_a_versions_own_only_with_its_name_and_a_5xx(
    status: int, revision: str, blame: Blame
) -> None:
    assert answer(status, revision).blame is blame


def test_a_ledger_counts_answers_by_revision_and_keeps_ours_apart() -> None:
    ledger = Ledger()
    ledger.add([answer(200, "a"), answer(500, "b"), answer(200, "b"), answer(503, "")])
    assert ledger.total == 4
    assert (ledger.tally("a").served, ledger.tally("a").failed) == (1, 0)
    assert (ledger.tally("b").served, ledger.tally("b").failed) == (2, 1)
    assert [ours.status for ours in ledger.ours] == [503]
    assert ledger.tally("never seen").served == 0


def test_a_tally_knows_first_and_last_whatever_the_order_of_arrival() -> None:
    tally = Tally()
    for at, status in ((5.0, 200), (3.0, 500), (9.0, 200), (4.0, 500)):
        tally.add(answer(status, at=at))
    assert (tally.first_at, tally.first_failed_at, tally.last_at) == (3.0, 3.0, 9.0)


def test_quantiles_and_slow_answers_are_taken_from_all_latencies() -> None:
    tally = Tally()
    assert tally.quantile(0.95) is None
    assert tally.first_slower_than(0.0) is None
    for number in range(100):
        tally.add(answer(200, at=float(number), milliseconds=float(100 - number)))
    assert tally.quantile(0.5) == 51.0
    assert tally.quantile(1.0) == 100.0
    assert tally.first_slower_than(98.5) == 0.0
    assert tally.first_slower_than(100.0) is None
