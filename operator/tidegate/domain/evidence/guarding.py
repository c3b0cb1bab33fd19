"""Limits on a rate: the candidate alone is tested, and stable only excuses it (statistics 1.5).

Owns the state of a guard: counts of candidate (`c`) and stable (`s`), thinned by `phi`, copies
among them (`m`), and whether stable was over the limit before the attempt (`off`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence.base import LogE
from tidegate.stats import Counts, guard_log_e
from tidegate.stats.dispersion import dispersion, thinned

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.base import State
    from tidegate.domain.evidence.batch import Halves
    from tidegate.domain.evidence.comparing import Seen


def begin(metric: Metric, history: Counts, halves: Halves) -> State:
    """No counts yet; a stable that is over the limit already switches the guard off."""
    found, before = dispersion(halves), history.estimate
    return {
        "s": [0.0, 0.0],
        "c": [0.0, 0.0],
        "off": before is not None and before > limit_of(metric),
        "phi": [round(found.phi, 3)],
        "v": [found.verified],
    }


def added(metric: Metric, state: State, seen: Seen, *, shadow: bool = False) -> State:
    """The state after a batch. One in which stable itself is over the limit is a shared incident:
    it says nothing about the candidate and is counted for neither arm."""
    if over(metric, seen.stable):
        return state
    phi = state["phi"][0]
    candidate = Counts(*state["c"]) + thinned(seen.candidate, phi)
    stable = Counts(*state["s"]) + thinned(seen.stable, phi)
    after = {
        **state,
        "c": [round(candidate.bad, 6), round(candidate.n, 6)],
        "s": [round(stable.bad, 6), round(stable.n, 6)],
    }
    if shadow:
        after["m"] = [round(state.get("m", [0.0])[0] + seen.candidate.n, 3)]
    return after


def log_e(metric: Metric, state: State) -> LogE:
    """Evidence that the candidate's rate is above the limit."""
    counts = Counts(*state["c"])
    if counts.n <= 0 or state.get("off"):
        return LogE(0.0)
    return LogE(guard_log_e(counts, limit_of(metric)))


def counted(state: State) -> tuple[Counts, Counts]:
    """What was counted of candidate and stable, as it was before thinning."""
    phi = state["phi"][0]
    candidate, stable = state["c"], state["s"]
    return (
        Counts(bad=candidate[0] * phi, n=candidate[1] * phi),
        Counts(bad=stable[0] * phi, n=stable[1] * phi),
    )


def over(metric: Metric, counts: Counts) -> bool:
    """Whether an arm is over a guard's limit in a batch."""
    share = counts.estimate
    return share is not None and share > limit_of(metric)


def limit_of(metric: Metric) -> float:
    """The limit of a metric that has one."""
    assert metric.max is not None, "the schema requires margin or max"
    return metric.max
