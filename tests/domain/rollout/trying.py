"""An attempt in the making, for the tests of strategies."""

from __future__ import annotations

from typing import Any

from tests.domain.rollout.sim import Sim, spec

from tidegate.testing.metrics import Traffic


def tried(*, steps: list[Any] | None = None, **more: Any) -> Sim:
    """r2 is asked for beside a stable r1."""
    chosen: dict[str, Any] = {"steps": steps} if steps is not None else {}
    sim = Sim(spec(**chosen, **more)).stable()
    sim.ask("r2")
    return sim


def calm() -> Traffic:
    """1 % of errors, as stable has them."""
    return Traffic(error_rate=0.01)


def candidate_weights(sim: Sim) -> list[int]:
    """What the route gave r2, in order."""
    return [weights.get("r2", 0) for weights in sim.weights_seen]
