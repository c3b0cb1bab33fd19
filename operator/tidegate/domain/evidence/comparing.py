"""Comparisons of bad ones of all between the arms: what ErrorRate, Counters, Latency and Labels
share.

Owns their state: grids (`c`), stable's history (`h`), over-dispersion (`phi`, measured or not:
`v`), requests that were copies (`m`), and after a promotion the frozen limits (`b`) with the counts
since (`g`). All counts in it are thinned by phi (statistics 2.4); what people see is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.evidence.base import LogE
from tidegate.stats import Comparison, Counts, guard_log_e, log_mean_exp
from tidegate.stats.dispersion import dispersion, thinned
from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.evidence.base import State
    from tidegate.domain.evidence.batch import Halves
    from tidegate.stats import Margin

MOST_LIMIT = 0.999
"""A limit at or above 1 cannot be broken; where stable is not known, this one stands in."""


@dataclass(frozen=True)
class Seen:
    """What a batch adds to one comparison."""

    candidate: Counts
    stable: Counts


def begin(histories: Sequence[Counts], halves: Sequence[Halves]) -> State:
    """The state of as many comparisons as there are histories, with phi measured on stable."""
    measured = [dispersion(blocks) for blocks in halves]
    return {
        "h": [_pair(history) for history in histories],
        "c": [Comparison.start().as_dict() for _ in histories],
        "phi": [round(found.phi, 3) for found in measured],
        "v": [found.verified for found in measured],
    }


def added(state: State, margins: Sequence[Margin], seen: Sequence[Seen], *, shadow: bool) -> State:
    """The state after a batch. Copies move the rollback side only: a request is one that a caller
    sent to the arm (statistics 4.1)."""
    if "b" in state:
        return _baked(state, seen)
    comparisons = []
    for stored, past, phi, margin, one in zip(
        state["c"], state["h"], state["phi"], margins, seen, strict=True
    ):
        updated = Comparison.from_dict(stored).update(
            candidate=thinned(one.candidate, phi),
            stable=thinned(one.stable, phi),
            margin=margin,
            history=thinned(Counts(*past), phi),
            promotes=not shadow,
        )
        comparisons.append(updated.as_dict())
    after = {**state, "c": comparisons}
    if shadow:
        copies = state.get("m") or [0.0] * len(seen)
        after["m"] = [
            round(before + one.candidate.n, 3) for before, one in zip(copies, seen, strict=True)
        ]
    return after


def log_e(state: State) -> LogE:
    """Rollback: the mean over the comparisons (any dependence). Promote: all of them must."""
    if "b" in state:
        limits = zip(state["b"], state["g"], strict=True)
        return LogE(log_mean_exp([guard_log_e(Counts(*counts), at) for at, counts in limits]))
    comparisons = [Comparison.from_dict(stored) for stored in state["c"]]
    return LogE(
        rollback=log_mean_exp([one.log_e_rollback for one in comparisons]),
        promote=min(one.log_e_promote for one in comparisons),
    )


def freeze(state: State, margins: Sequence[Margin], *, alpha: float) -> State:
    """From a comparison to limits for the candidate alone: what may be judged without stable.

    Each limit is max(r U, U + d) with U an upper bound of stable's rate, from its history and its
    counts of the attempt, that holds at all times with probability 1 - alpha, shared among the
    comparisons (statistics 1.4). U assumes that stable's rate stays what it was.
    """
    limits = []
    for stored, past, phi, margin in zip(
        state["c"], state["h"], state["phi"], margins, strict=True
    ):
        stable = Comparison.from_dict(stored).stable + thinned(Counts(*past), phi)
        upper = rate_interval(stable, alpha / len(margins)).upper
        limit = max(margin.ratio * upper, upper + margin.absolute)
        limits.append(round(min(limit, MOST_LIMIT), 9))
    return {**state, "b": limits, "g": [[0.0, 0.0] for _ in limits]}


def _baked(state: State, seen: Sequence[Seen]) -> State:
    counts = [
        _pair(Counts(*before) + thinned(one.candidate, phi))
        for before, phi, one in zip(state["g"], state["phi"], seen, strict=True)
    ]
    return {**state, "g": counts}


def worst(state: State) -> int:
    """The comparison with the largest evidence against the candidate."""
    if "b" in state:
        found = [
            guard_log_e(Counts(*counts), at)
            for at, counts in zip(state["b"], state["g"], strict=True)
        ]
    else:
        found = [Comparison.from_dict(stored).log_e_rollback for stored in state["c"]]
    return max(range(len(found)), key=found.__getitem__)


def counted(state: State, at: int) -> tuple[Counts, Counts]:
    """What was counted of candidate and stable for one comparison, as it was before thinning."""
    phi = state["phi"][at]
    if "b" in state:
        return _whole(Counts(*state["g"][at]), phi), Counts(0.0, 0.0)
    comparison = Comparison.from_dict(state["c"][at])
    return _whole(comparison.candidate, phi), _whole(comparison.stable, phi)


def _whole(counts: Counts, phi: float) -> Counts:
    return Counts(bad=counts.bad * phi, n=counts.n * phi)


def _pair(counts: Counts) -> list[float]:
    return [round(counts.bad, 6), round(counts.n, 6)]
