"""One arm split in two, minute by minute: what `stats.dispersion` measures bursts with (2.4).

Where an arm is counted by several instances (pods, or gateways), every other instance is one half.
Where one instance counts it all, every other minute is: then a rate that drifts from one minute to
the next looks like bursts too, so that phi comes out too large rather than too small.

Pure; the series are cumulative counters, sampled once a minute by a subquery.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING

from tidegate.metrics.targets import instance_of
from tidegate.stats.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tidegate.metrics.base import Halves
    from tidegate.metrics.counters import Instance
    from tidegate.metrics.prometheus import Series

type Minutes = Mapping[float, Counts]
_BLOCK_S = 60.0


def error_halves(series: Iterable[Series], *, code: str) -> Halves:
    """Errors of requests; `code` is the label of the answer's status or class."""
    return _halves(series, bad=lambda one: one.labels.get(code, "").startswith("5"))


def slow_halves(series: Sequence[Series], *, bound_ms: float) -> dict[float, Halves]:
    """Requests slower than each finite bound of a histogram, by the bound in milliseconds."""
    bounds = {float(one.labels["le"]) for one in series}
    total = [one for one in series if math.isinf(float(one.labels["le"]))]
    found = {}
    for bound in sorted(bound for bound in bounds if math.isfinite(bound)):
        fast = [one for one in series if float(one.labels["le"]) == bound]
        below = _by_instance(fast, bad=lambda _: True)
        everything = _by_instance(total, bad=lambda _: False)
        found[round(bound * bound_ms, 9)] = _split(_above(everything, below))
    return found


def recent_rate(series: Iterable[Series]) -> float | None:
    """Requests a second over raw samples; None where no counter was seen twice."""
    risen = seconds = 0.0
    for one in series:
        if len(one.samples) > 1:
            risen += sum(rise for _, rise in _rises(one))
            seconds = max(seconds, one.samples[-1][0] - one.samples[0][0])
    return risen / seconds if seconds > 0 else None


def _halves(series: Iterable[Series], *, bad: Callable[[Series], bool]) -> Halves:
    return _split(_by_instance(series, bad=bad))


def _by_instance(
    series: Iterable[Series], *, bad: Callable[[Series], bool]
) -> dict[Instance, dict[float, Counts]]:
    """What each instance counted in each minute."""
    found: dict[Instance, dict[float, Counts]] = defaultdict(dict)
    for one in series:
        minutes = found[instance_of(one)]
        is_bad = bad(one)
        for moment, rise in _rises(one, most_gap_s=1.5 * _BLOCK_S):
            counts = Counts(bad=rise if is_bad else 0.0, n=rise)
            minutes[moment] = minutes[moment] + counts if moment in minutes else counts
    return dict(found)


def _above(
    everything: Mapping[Instance, Minutes], below: Mapping[Instance, Minutes]
) -> dict[Instance, dict[float, Counts]]:
    """Requests above a bound: all of them less those below."""
    return {
        instance: {
            moment: Counts(bad=max(0.0, counts.n - below[instance][moment].n), n=counts.n)
            for moment, counts in minutes.items()
            if moment in below.get(instance, {})
        }
        for instance, minutes in everything.items()
    }


def _split(by_instance: Mapping[Instance, Minutes]) -> Halves:
    busy = {name: minutes for name, minutes in by_instance.items() if minutes}
    if len(busy) > 1:
        return _by_instances(busy)
    return _by_minutes(next(iter(busy.values()), {}))


def _by_instances(busy: Mapping[Instance, Minutes]) -> Halves:
    sides: list[dict[float, Counts]] = [{}, {}]
    for at, name in enumerate(sorted(busy)):
        side = sides[at % 2]
        for moment, counts in busy[name].items():
            side[moment] = side[moment] + counts if moment in side else counts
    both = sorted(sides[0].keys() & sides[1].keys())
    return _with_traffic([(sides[0][moment], sides[1][moment]) for moment in both])


def _by_minutes(minutes: Minutes) -> Halves:
    pairs = [
        (minutes[moment], minutes[moment + _BLOCK_S])
        for moment in sorted(minutes)
        if round(moment / _BLOCK_S) % 2 == 0 and moment + _BLOCK_S in minutes
    ]
    return _with_traffic(pairs)


def _with_traffic(pairs: Iterable[tuple[Counts, Counts]]) -> Halves:
    """A block in which one half had no requests says nothing."""
    return tuple((a, b) for a, b in pairs if a.n > 0 and b.n > 0)


def _rises(series: Series, *, most_gap_s: float = math.inf) -> list[tuple[float, float]]:
    """What a counter rose by up to each sample from the one before, resets included."""
    found = []
    known = [(moment, value) for moment, value in series.samples if not math.isnan(value)]
    for (before, old), (moment, value) in itertools.pairwise(known):
        if moment - before <= most_gap_s:
            found.append((moment, value - old if value >= old else value))
    return found
