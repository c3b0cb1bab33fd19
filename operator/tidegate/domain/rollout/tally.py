"""The evidence of an abTest: who fails less than whom, and whether callers are shared out right.

Owns what stands in `status.contest.state` and how a batch is added to it. It decides nothing and
moves no traffic (statistics 5).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tidegate.api.contest_status import ContestPair
from tidegate.api.rollout_status import ArmEvidence, Evidence, Interval
from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Rated
from tidegate.domain.evidence.packing import packed, unpacked
from tidegate.domain.times import stamp
from tidegate.stats import NO_COUNTS, Counts, log_mean_exp
from tidegate.stats.allocation import DRAWS, best_chances
from tidegate.stats.assignment import ALARM, SHARE_MULTIPLES, share_step
from tidegate.stats.contest import Contest as Pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.contest_status import Contest, ContestArm
    from tidegate.domain.evidence import Batch

UNITS = {"Users": "new callers", "Requests": "requests", "Events": "counted events"}
"""What is compared, for people."""
_DECIMALS = 5
DRAWS_TO_SHOW = 100
"""Draws for `bestChance` where nothing is allocated by it."""

type States = Mapping[str, dict[str, Any]]
"""State of each metric's evidence, by the metric's name."""


@dataclass(frozen=True)
class Tally:
    """All that a test goes on with. `pairs`: every ordered pair of arms; `shares`: log-e grids of
    "more or fewer callers than configured", one an arm (empty where callers are not counted);
    `weights`: what each arm is meant to get, in per cent; `others`: evidence of the contenders
    against stable, by revision. Arms stand in the order of `Contest.arms`."""

    pairs: Pairs
    shares: tuple[tuple[float, ...], ...]
    weights: tuple[int, ...]
    others: Mapping[str, States]

    @classmethod
    def start(
        cls, contest: Contest, evidence: Sequence[Evidence], *, contenders: Sequence[str]
    ) -> Self:
        """Nothing seen yet; contenders begin with the same frozen bounds as the candidate."""
        count = len(contest.arms)
        grid = (0.0,) * len(SHARE_MULTIPLES)
        states = {entry.metric: evidences.state_of(entry) for entry in evidence}
        return cls(
            pairs=Pairs.start(count),
            shares=(grid,) * count if contest.counts_callers else (),
            weights=(0,) * count,
            others=dict.fromkeys(contenders, states),
        )

    @classmethod
    def read(cls, contest: Contest) -> Self:
        """From a status. Raises ValueError, LookupError or TypeError when it is not one."""
        raw = json.loads(contest.state)
        count = len(contest.arms)
        shares = tuple(tuple(float(value) for value in grid) for grid in raw["s"])
        weights = tuple(int(weight) for weight in raw["w"])
        expected = count if contest.counts_callers else 0
        if len(shares) != expected or len(weights) != count:
            raise ValueError("not the state of this test")
        pairs = Pairs.from_dict({"arms": count, "e": raw["e"]})
        return cls(pairs, shares, weights, unpacked(raw["x"]))

    def text(self) -> str:
        """JSON; reading what was written gives the same again. The contenders' evidence is most of
        it, and compressed, so that five arms fit into a status."""
        raw = {
            "e": self.pairs.as_dict()["e"],
            "s": [[round(v, _DECIMALS) + 0.0 for v in grid] for grid in self.shares],
            "w": list(self.weights),
            "x": packed(dict(self.others)),
        }
        return json.dumps(raw, separators=(",", ":"), allow_nan=False)

    @property
    def log_e_mismatch(self) -> float:
        """Evidence (nats) that callers are not shared out as configured: the mean over arms."""
        flat = [value for grid in self.shares for value in grid]
        return log_mean_exp(flat) if flat else 0.0


def readable(contest: Contest | None, evidence: Sequence[Evidence], analysis: Analysis) -> bool:
    """Whether a test from a status can be gone on with."""
    if contest is None:
        return False
    try:
        tally = Tally.read(contest)
        bounds = evidences.bounds_ms(evidence)
        return all(
            evidences.readable(entries, analysis) and evidences.bounds_ms(entries) == bounds
            for entries in (_entries(states) for states in tally.others.values())
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Counted:
    """What a batch is added with: the arms' revisions, the weights that stood during all of it
    (None: they did not stand), the metric's over-dispersion, the rate of wrong winners, and
    whether traffic is allocated by what comes out, and the metric that the winner is decided
    on."""

    stable: str
    candidate: str
    weights: Mapping[str, int] | None
    phi: float
    alpha: float
    allocates: bool
    goal: str = ""


def add(
    contest: Contest, batch: Batch, analysis: Analysis, given: Counted
) -> tuple[Contest, Mapping[str, Sequence[Evidence]]]:
    """The test after one more batch, and the contenders' evidence against stable in full."""
    tally = Tally.read(contest)
    counts = [_compared(contest, arm, batch, given) for arm in contest.arms]
    phi = 1.0 if contest.unit == "Users" else given.phi
    tally = replace(
        tally,
        pairs=tally.pairs.update([Counts(bad=c.bad / phi, n=c.n / phi) for c in counts]),
        shares=_shares(contest, tally, batch, given.weights),
    )
    judged: dict[str, Sequence[Evidence]] = {}
    for revision, states in tally.others.items():
        if revision in batch.others:
            seen = batch.about(revision)
            judged[revision] = evidences.update(_entries(states), analysis, seen)
    states_now = {
        revision: {entry.metric: evidences.state_of(entry) for entry in entries}
        for revision, entries in judged.items()
    }
    tally = replace(tally, others={**tally.others, **states_now})
    grown = [
        _grown(contest, arm, count, batch) for arm, count in zip(contest.arms, counts, strict=True)
    ]
    shown = contest.model_copy(update={"arms": _chances(contest, grown, batch, phi, given)})
    return display(shown, tally, given.alpha), judged


def display(contest: Contest, tally: Tally, alpha: float) -> Contest:
    """The test with its state written down, and shown for people."""
    names = [arm.name for arm in contest.arms]
    among = in_test(contest)
    level = tally.pairs.level(alpha, among=among)
    pairs = [
        ContestPair(
            arm=names[i],
            than=names[j],
            evidence=round(100 * max(0.0, log_mean_exp(grid)) / level, 1),
        )
        for (i, j), grid in zip(tally.pairs.pairs, tally.pairs.grids, strict=True)
        if i in among and j in among
    ]
    mismatch = None
    if contest.counts_callers:
        mismatch = round(100 * max(0.0, tally.log_e_mismatch) / ALARM, 1)
    return contest.model_copy(update={"pairs": pairs, "mismatch": mismatch, "state": tally.text()})


def standing_of(contest: Contest) -> str:
    """The arms in one line."""
    parts = [
        f"{arm.name} {arm.bad:.0f} of {arm.n:.0f}"
        + (f" ({arm.left})" if arm.left is not None else "")
        for arm in contest.arms
    ]
    return f"failures of {UNITS[contest.unit]}: {', '.join(parts)}"


def in_test(contest: Contest) -> tuple[int, ...]:
    """The places of the arms that have not left."""
    return tuple(i for i, arm in enumerate(contest.arms) if arm.left is None)


def phi_of(evidence: Sequence[Evidence], metric: str) -> float:
    """How many failures come together, as measured on stable for a metric; 1 when not known."""
    entry = next((entry for entry in evidence if entry.metric == metric), None)
    found = evidences.state_of(entry).get("phi", 1) if entry is not None else 1
    values = found if isinstance(found, list) else [found]
    return max(1.0, *(float(value) for value in values))


def _compared(contest: Contest, arm: ContestArm, batch: Batch, given: Counted) -> Counts:
    """What a batch adds to an arm: new callers by their first answer, requests, or what the goal's
    own counters counted."""
    if arm.left is not None:
        return NO_COUNTS
    match contest.unit:
        case "Users":
            return _users(batch, arm)
        case "Events":
            answer = batch.answers.get(given.goal)
            if not isinstance(answer, Rated):
                return NO_COUNTS
            counted = {given.stable: answer.stable, given.candidate: answer.candidate}
            return {**counted, **answer.others}.get(arm.revision, NO_COUNTS)
        case "Requests":
            arms = {given.stable: batch.stable, given.candidate: batch.candidate, **batch.others}
            seen = arms.get(arm.revision)
            return NO_COUNTS if seen is None else Counts(bad=seen.errors, n=seen.requests)


def _users(batch: Batch, arm: ContestArm) -> Counts:
    """New callers of an arm in a batch."""
    return batch.users.get(arm.revision, NO_COUNTS)


def _shares(
    contest: Contest, tally: Tally, batch: Batch, weights: Mapping[str, int] | None
) -> tuple[tuple[float, ...], ...]:
    """The check of shares after a batch in which the weights stood all the time."""
    if weights is None or not tally.shares:
        return tally.shares
    users = [_users(batch, arm).n for arm in contest.arms]
    shared = [weights.get(arm.revision, 0) / 100 for arm in contest.arms]
    # A caller can only be expected where a weight is; what else arrives is nobody's share.
    total = sum(n for n, share in zip(users, shared, strict=True) if share > 0)
    return tuple(
        share_step(grid, arm=n, others=total - n, share=share) if share > 0 else grid
        for grid, n, share in zip(tally.shares, users, shared, strict=True)
    )


def _grown(contest: Contest, arm: ContestArm, count: Counts, batch: Batch) -> ContestArm:
    n, bad = arm.n + count.n, arm.bad + count.bad
    users = None
    if contest.counts_callers:
        users = round((arm.users or 0.0) + _users(batch, arm).n, 3)
    return arm.model_copy(
        update={
            "n": round(n, 3),
            "bad": round(bad, 3),
            "users": users,
            "estimate": round(bad / n, 6) if n > 0 else None,
        }
    )


def _chances(
    contest: Contest, arms: Sequence[ContestArm], batch: Batch, phi: float, given: Counted
) -> list[ContestArm]:
    """How likely each arm that takes part is the best. The same state and batch draw the same."""
    part = [arm for arm in arms if arm.left is None]
    if len(part) < 2:
        return list(arms)
    generator = random.Random(f"{contest.seed} {stamp(batch.end)}")
    draws = DRAWS if given.allocates else DRAWS_TO_SHOW
    counts = [Counts(bad=arm.bad / phi, n=arm.n / phi) for arm in part]
    found = best_chances(counts, generator, draws=draws)
    chances = {arm.name: chance for arm, chance in zip(part, found, strict=True)}
    return [
        arm.model_copy(
            update={"best_chance": round(chances[arm.name], 4) if arm.name in chances else None}
        )
        for arm in arms
    ]


def _entries(states: States) -> list[Evidence]:
    """Evidence of which only the state was kept: enough to go on from, not to be shown."""
    nothing = ArmEvidence(n=0, bad=0)
    return [
        Evidence(
            metric=metric,
            stable=nothing,
            candidate=nothing,
            interval=Interval(),
            verdict="Continue",
            rollback=0,
            message="",
            state=json.dumps(state),
        )
        for metric, state in states.items()
    ]
