"""What a record says comes out again: for whole deliveries, and whatever happens in them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.domain.record.kept import KeptSim
from tests.domain.rollout.sim import spec
from tests.domain.rollout.test_properties import ACTIONS, MANY, SPECS, happen

from tidegate.domain.record import Replay, replay


def attempts(sim: KeptSim) -> list[Replay]:
    """Every attempt of a delivery, recomputed."""
    return [replay(sim.record(n)) for n in range(1, sim.status.attempts + 1)]


def test_a_promotion_comes_out_as_recorded() -> None:
    sim = KeptSim(spec((5, 10), (50, 10)))
    sim.stable()
    sim.ask("r2")
    sim.until("Healthy")
    (found,) = attempts(sim)
    assert found.same, found
    promoted = next(c for c in found.checks if c.row.body["reason"] == "EvidencePromotes")
    assert promoted.exact
    assert promoted.recomputed is not None
    assert promoted.recomputed["verdict"] == "Promote"
    assert [first.verdict for first in found.firsts] == ["Promote"]
    assert found.batches == len(sim.batches)


@MANY
@given(st.sampled_from(range(len(SPECS))), st.lists(ACTIONS, min_size=3, max_size=25))
def test_whatever_happens_every_record_recomputes(
    first: int, actions: list[tuple[Any, ...]]
) -> None:
    sim = KeptSim(SPECS[first])
    sim.settle()
    for action in actions:
        happen(sim, action)
    sim.settle()
    for number, found in enumerate(attempts(sim), start=1):
        assert found.same, (number, found.problems, [c for c in found.checks if c.problem])
