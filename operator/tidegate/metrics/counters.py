"""From raw samples of instances (gateways or pods) to the counts of one interval.

Owns the rules of counting: the same scrapes for every arm, each request once, resets, classes that
appear late, instances that come, go or fall silent. Pure: it neither asks nor knows whose samples
these are; a source turns its own labels into `Recording`s first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.metrics.base import ArmCounts, NoData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

type Samples = Sequence[tuple[float, float]]
type Instance = tuple[str, ...]
type Key = tuple[str, ...]


@dataclass(slots=True)
class Recording:
    """What one instance of the gateway said of one cluster: (unix seconds, value) by counter.

    `scrapes` are the moments at which the instance spoke of this cluster at all. `classes` are
    cumulative answers by class ("2", "5"), `buckets` cumulative requests by upper bound in ms,
    `tallies` counters of any other meaning by the caller's own keys.
    """

    scrapes: set[float] = field(default_factory=set)
    classes: dict[str, list[Samples]] = field(default_factory=dict)
    buckets: dict[float, list[Samples]] = field(default_factory=dict)
    tallies: dict[Key, list[Samples]] = field(default_factory=dict)

    @property
    def counters(self) -> Iterable[Samples]:
        """Every counter of the recording."""
        for group in (*self.classes.values(), *self.buckets.values(), *self.tallies.values()):
            yield from group


type Recordings = Mapping[Instance, Mapping[str, Recording]]


@dataclass(frozen=True, slots=True)
class Counted:
    """`begin` is where counting could start (unix seconds), `arms` the counts by cluster."""

    begin: float
    arms: dict[str, ArmCounts]


def silent(recordings: Recordings, *, end: float, stale_after: float) -> list[Instance]:
    """Instances whose last sample is older than `stale_after` seconds before `end`."""
    return [
        instance
        for instance, clusters in recordings.items()
        if max((max(r.scrapes, default=-math.inf) for r in clusters.values()), default=-math.inf)
        < end - stale_after
    ]


def count(
    recordings: Recordings,
    clusters: Sequence[str],
    *,
    begin: float,
    end: float,
    thresholds_ms: Sequence[float],
    stale_after: float,
    gone: Iterable[Instance] = (),
) -> Counted | NoData:
    """Counts of (begin, end] for every cluster, from the scrapes that all clusters share.

    `gone` are instances that exist no longer: what they said last is final. Any other instance
    that is silent, or that does not know one of the clusters yet, makes the interval `NoData`: a
    part that was not seen is never counted as nothing.
    """
    gone = frozenset(gone)
    parts: list[tuple[Mapping[str, Recording], list[float]]] = []
    for instance, known in recordings.items():
        scrapes = _shared_scrapes(known, clusters, begin=begin, end=end)
        if instance in gone:
            if scrapes:
                parts.append((known, scrapes))
            continue
        problem = _incomplete(instance, known, clusters, scrapes, end=end, stale_after=stale_after)
        if problem is not None:
            return problem
        parts.append((known, scrapes))
    spans = [scrapes for _, scrapes in parts if len(scrapes) > 1]
    if not spans or all(scrapes[-1] < end - stale_after for scrapes in spans):
        return NoData("the gateway has not been scraped twice in this interval yet")
    arms = {}
    for cluster in clusters:
        seen = [(known[cluster], scrapes) for known, scrapes in parts if len(scrapes) > 1]
        odd = _unknown_bound(seen, thresholds_ms)
        if odd is not None:
            return NoData(f"{odd:g} ms is no bucket boundary of cluster {cluster}")
        arms[cluster] = _arm(seen, thresholds_ms)
    return Counted(begin=max(begin, min(scrapes[0] for scrapes in spans)), arms=arms)


def count_apart(
    by_cluster: Mapping[str, Mapping[Instance, Recording]],
    *,
    begin: float,
    end: float,
    thresholds_ms: Sequence[float] = (),
    stale_after: float,
    gone: Iterable[Instance] = (),
) -> Counted | NoData:
    """Counts of (begin, end] for every cluster, where each has instances of its own (its pods).

    The intervals of the clusters are the same up to the moments at which their instances are
    scraped: a request belongs to the batch in which its instance's next scrape lies.
    """

    how = {"end": end, "stale_after": stale_after}

    def counted(since: float) -> list[Counted] | NoData:
        return _each(by_cluster, since, thresholds_ms=thresholds_ms, gone=gone, **how)

    first = counted(begin)
    if isinstance(first, NoData):
        return first
    common = max(one.begin for one in first)
    again = counted(common) if any(one.begin < common for one in first) else first
    if isinstance(again, NoData):
        return again
    return Counted(
        begin=max(one.begin for one in again),
        arms={cluster: arm for one in again for cluster, arm in one.arms.items()},
    )


def _each(
    by_cluster: Mapping[str, Mapping[Instance, Recording]],
    since: float,
    *,
    end: float,
    thresholds_ms: Sequence[float],
    stale_after: float,
    gone: Iterable[Instance],
) -> list[Counted] | NoData:
    """Every cluster counted for itself, from `since` or from where its samples begin."""
    found = []
    for cluster, instances in by_cluster.items():
        one = count(
            {instance: {cluster: recording} for instance, recording in instances.items()},
            [cluster],
            begin=since,
            end=end,
            thresholds_ms=thresholds_ms,
            stale_after=stale_after,
            gone=gone,
        )
        if isinstance(one, NoData):
            return NoData(f"{cluster}: {one.reason}")
        found.append(one)
    return found


def _shared_scrapes(
    known: Mapping[str, Recording], clusters: Sequence[str], *, begin: float, end: float
) -> list[float]:
    """The moments at which the instance spoke of every cluster, from the last one before begin.

    When that one is gone (Prometheus or the instance started later), from the first there is.
    """
    if any(cluster not in known for cluster in clusters):
        return []
    shared = sorted(set.intersection(*(known[cluster].scrapes for cluster in clusters)))
    shared = [moment for moment in shared if moment <= end]
    before = sum(1 for moment in shared if moment <= begin)
    return shared[max(0, before - 1) :]


def _incomplete(
    instance: Instance,
    known: Mapping[str, Recording],
    clusters: Sequence[str],
    scrapes: Sequence[float],
    *,
    end: float,
    stale_after: float,
) -> NoData | None:
    name = "/".join(part for part in instance if part)
    missing = [cluster for cluster in clusters if cluster not in known]
    if missing:
        return NoData(f"gateway instance {name} says nothing of cluster {', '.join(missing)}")
    if not scrapes:
        return NoData(f"gateway instance {name} never spoke of all clusters at once")
    if scrapes[-1] < end - stale_after:
        age = end - scrapes[-1]
        return NoData(f"gateway instance {name} was last scraped {age:.0f} s before the end")
    return None


def _arm(
    seen: Sequence[tuple[Recording, Sequence[float]]], thresholds_ms: Sequence[float]
) -> ArmCounts:
    requests = errors = timed = 0.0
    fast = [0.0] * len(thresholds_ms)
    for recording, scrapes in seen:
        resets = _resets(recording)
        for name, group in recording.classes.items():
            risen = sum(_rise(samples, scrapes, resets) for samples in group)
            requests += risen
            errors += risen if name == "5" else 0.0
        for bound, group in recording.buckets.items():
            risen = sum(_rise(samples, scrapes, resets) for samples in group)
            if math.isinf(bound):
                timed += risen
            for i, threshold in enumerate(thresholds_ms):
                fast[i] += risen if bound == threshold else 0.0
    slow = tuple(max(0.0, timed - below) for below in fast)
    tallies = _tallies(seen)
    return ArmCounts(requests=requests, errors=errors, slow=slow, timed=timed, tallies=tallies)


def _tallies(seen: Sequence[tuple[Recording, Sequence[float]]]) -> dict[Key, float]:
    """What each counter of the caller's own rose by."""
    found: dict[Key, float] = {}
    for recording, scrapes in seen:
        resets = _resets(recording) if recording.tallies else []
        for key, group in recording.tallies.items():
            risen = sum(_rise(samples, scrapes, resets) for samples in group)
            found[key] = found.get(key, 0.0) + risen
    return found


def _unknown_bound(
    seen: Sequence[tuple[Recording, Sequence[float]]], thresholds_ms: Sequence[float]
) -> float | None:
    """A threshold that some histogram has no bucket for; one without any bucket is empty."""
    for recording, _ in seen:
        for threshold in thresholds_ms:
            if recording.buckets and threshold not in recording.buckets:
                return threshold
    return None


def _resets(recording: Recording) -> list[float]:
    """When any counter of the cluster fell or vanished, all of them started again at zero.

    A counter that vanishes dates the restart; its next sample, lower and maybe much later, would
    date it too late, and what its siblings counted in between would count twice.
    """
    found = set()
    scrapes = sorted(recording.scrapes)
    for samples in recording.counters:
        at = dict(samples)
        previous: float | None = None
        for moment in scrapes:
            value = at.get(moment)
            if value is not None and math.isnan(value):
                continue
            if previous is not None and (value is None or value < previous):
                found.add(moment)
            previous = value
    return sorted(found)


def _rise(samples: Samples, scrapes: Sequence[float], resets: Sequence[float]) -> float:
    """What a counter rose by between the first and the last scrape.

    A counter that is absent at the first scrape, where its siblings are present, stood at zero: the
    first bad answer of a cluster creates its class, and must not be lost.
    """
    begin, end = scrapes[0], scrapes[-1]
    previous: float | None = 0.0
    since = begin
    total = 0.0
    for moment, value in samples:
        if moment > end:
            break
        if math.isnan(value):
            if moment <= begin and previous == 0.0:
                previous = None
            continue
        if moment > begin and previous is not None:
            restarted = value < previous or any(since < reset <= moment for reset in resets)
            total += value if restarted else value - previous
        previous, since = value, moment
    return total
