"""A shortened record: smaller, and every verdict after the merged part is exact."""

from __future__ import annotations

from tests.domain.record.kept import KeptSim
from tests.domain.rollout.sim import spec

from tidegate.domain.record import in_order, replay, shortened


def long_attempt() -> KeptSim:
    """An attempt of many batches that is promoted at last."""
    sim = KeptSim(spec((5, 200), (50, 200)))
    sim.stable()
    sim.ask("r2")
    sim.until("Healthy")
    return sim


def test_the_older_half_becomes_few_rows_and_the_rest_stays_exact() -> None:
    rows = long_attempt().record(1)
    short = shortened(rows)
    assert short == in_order(short)
    assert len(short) < 0.7 * len(rows)
    whole, found = replay(rows), replay(short)
    assert whole.same
    assert found.same
    assert found.batches == whole.batches
    assert found.evidence == whole.evidence
    inside = [check for check in found.checks if not check.exact]
    exact = [check for check in found.checks if check.exact]
    assert [c.row.body["reason"] for c in exact][-1] == "Promoted"
    assert all(check.row.seq < exact[-1].row.seq for check in inside)


def test_shortening_again_and_again_ends_and_keeps_the_counts() -> None:
    rows = long_attempt().record(1)
    whole = replay(rows)
    for _ in range(20):
        short = shortened(rows)
        if short == rows:
            break
        assert len(short) < len(rows)
        rows = short
        found = replay(rows)
        assert found.same
        assert found.batches == whole.batches
    else:
        raise AssertionError("it never ends")
    assert [entry.candidate for entry in found.evidence] == [e.candidate for e in whole.evidence]


def test_batches_with_something_between_them_are_not_added_up() -> None:
    rows = long_attempt().record(1)
    steps = [r.seq for r in rows if r.kind == "transition" and r.body["reason"] == "StepReached"]
    for row in shortened(rows):
        if row.kind == "merged":
            assert not [seq for seq in steps if row.body["first"] < seq < row.seq]


def test_a_short_record_stays_as_it_is() -> None:
    rows = long_attempt().record(1)[:8]
    assert shortened(rows) == rows
