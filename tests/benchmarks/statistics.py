"""How often a rule is wrong and how long it takes: ours beside fixed thresholds, and the limit.

100 requests a second. First table: 5 % to the candidate throughout, looked at every 15 s. False
rollback: both arms are the same. Detection: canary requests until rollback. Second table: steps of
5, 10, 25 and 50 %, 10 minutes each. A threshold promotes when the last step is over; ours when
the evidence is in, and is inconclusive at the deadline. False promotion: a candidate on the margin.

The thresholds look once a minute at that minute's requests and compare with a multiple of what
stable did in it. Argo rolls back when failed checks exceed `failureLimit`, Flagger when they reach
`threshold`; both count over the whole run. The limit is ln(1/alpha) / KL(p_c || edge of what is
tolerated): what a test needs on average that knows the rates and looks after every request.

    python tests/benchmarks/statistics.py [--small]      --small takes under 20 s
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # In place of this directory: its file names must not hide the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[2] / "operator")

from tidegate.stats import Comparison, Counts, Margin
from tidegate.stats.decision import Exposure, decide, rollback_level

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PER_SECOND = 100
BATCH_S = 15
WINDOW_S = 60
WEIGHT = 0.05
STEPS = (0.05, 0.10, 0.25, 0.50)
STEP_S = 600
ALPHA_R, ALPHA_P = 0.01, 0.05
LEAST_REQUESTS, LEAST_S = 500, 300


@dataclass(frozen=True)
class Scene:
    """Stable's rate of errors, what is tolerated above it, and the worse rates to be detected."""

    base: float
    margin: Margin
    worse: tuple[float, ...]

    @property
    def history(self) -> Counts:
        """What is known of stable before: as much as counts."""
        return Counts(2000 * self.base, 2000)

    def tolerated(self, margin: Margin) -> float:
        """The highest rate within a margin."""
        return max(margin.ratio * self.base, self.base + margin.absolute)


SCENES = (
    Scene(0.001, Margin(ratio=2.0, absolute=0.001), (0.005, 0.05)),
    Scene(0.01, Margin(ratio=1.5, absolute=0.005), (0.02, 0.05)),
)


@dataclass(frozen=True)
class End:
    """How a run ended: the verdict, after how many seconds and canary requests."""

    verdict: str
    seconds: int
    requests: float


class Ours:
    """The operator's rule: batches into `Comparison`, then `decide`."""

    every_s = BATCH_S

    def __init__(self, scene: Scene, *, promotes: bool) -> None:
        self._scene = scene
        self._state = Comparison.start()
        self._promotes = promotes

    def look(self, seconds: int, candidate: Counts, stable: Counts) -> str:
        """The verdict after one more batch."""
        state = self._state = self._state.update(
            candidate=candidate,
            stable=stable,
            margin=self._scene.margin,
            history=self._scene.history,
        )
        return decide(
            rollback=[state.log_e_rollback],
            promote=[state.log_e_promote if self._promotes else -math.inf],
            alpha_r=ALPHA_R,
            alpha_p=ALPHA_P,
            exposure=Exposure(
                requests=state.candidate.n,
                least_requests=LEAST_REQUESTS,
                elapsed_s=seconds,
                least_s=LEAST_S,
            ),
        ).verdict


class Threshold:
    """A check a minute against `times` stable's rate or a fixed one; so many may fail."""

    every_s = WINDOW_S

    def __init__(
        self, *, failures: int, times: float = 0.0, absolute: float = 0.0, promotes: bool
    ) -> None:
        self._left = failures
        self._times, self._absolute = times, absolute
        self._promotes = promotes

    def look(self, seconds: int, candidate: Counts, stable: Counts) -> str:
        """Rollback at the last failure allowed for, Promote when all steps are over."""
        limit = self._times * (stable.estimate or 0.0) + self._absolute
        self._left -= (candidate.estimate or 0.0) > limit
        if self._left <= 0:
            return "Rollback"
        over = self._promotes and seconds >= len(STEPS) * STEP_S
        return "Promote" if over else "Continue"


Rule = Ours | Threshold
# Argo's failureLimit 3 is exceeded by the fourth failure, Flagger's threshold 5 is reached by the
# fifth.
RULES: dict[str, Callable[[Scene, bool], Rule]] = {
    "Tidegate": lambda scene, p: Ours(scene, promotes=p),
    "Argo, > 2x stable, failureLimit 0": lambda _, p: Threshold(failures=1, times=2, promotes=p),
    "Argo, > 2x stable, failureLimit 3": lambda _, p: Threshold(failures=4, times=2, promotes=p),
    "Argo, > 5x stable, failureLimit 3": lambda _, p: Threshold(failures=4, times=5, promotes=p),
    "Argo, > 1 %, failureLimit 3": lambda _, p: Threshold(failures=4, absolute=0.01, promotes=p),
    "Flagger, > 2x stable, threshold 5": lambda _, p: Threshold(failures=5, times=2, promotes=p),
    "Flagger, > 1 %, threshold 5": lambda _, p: Threshold(failures=5, absolute=0.01, promotes=p),
}


def run(
    rule: Rule, rates: tuple[float, float], weight: Callable[[int], float], most_s: int, seed: str
) -> End:
    """One run at (stable's, candidate's) rates until a verdict, or Inconclusive after `most_s`."""
    rng, seen = random.Random(seed), 0.0
    for begin in range(0, most_s, rule.every_s):
        n = PER_SECOND * rule.every_s
        n_c = round(n * weight(begin))
        candidate = Counts(rng.binomialvariate(n_c, rates[1]), n_c)
        stable = Counts(rng.binomialvariate(n - n_c, rates[0]), n - n_c)
        seen += n_c
        verdict = rule.look(begin + rule.every_s, candidate, stable)
        if verdict != "Continue":
            return End(verdict, begin + rule.every_s, seen)
    return End("Inconclusive", most_s, seen)


def constant(_: int) -> float:
    """5 % throughout."""
    return WEIGHT


def stepped(seconds: int) -> float:
    """By steps, and staying at the last."""
    return STEPS[min(seconds // STEP_S, len(STEPS) - 1)]


@dataclass(frozen=True)
class Size:
    """How long and how often is simulated."""

    runs: int
    watch_s: int
    detect_s: int
    deliver_s: int


SMALL = Size(runs=20, watch_s=3600, detect_s=3600, deliver_s=3600)
FULL = Size(runs=300, watch_s=4 * 3600, detect_s=4 * 3600, deliver_s=4 * 3600)


def median(values: Sequence[float]) -> float:
    """The middle value (the lower one of two)."""
    return sorted(values)[(len(values) - 1) // 2]


def limit(scene: Scene, rate: float) -> float:
    """ln(2 / alpha_R) / KL(rate || the rollback margin's edge), in canary requests."""
    edge = scene.tolerated(scene.margin.half)
    kl = rate * math.log(rate / edge) + (1 - rate) * math.log((1 - rate) / (1 - edge))
    return rollback_level(ALPHA_R) / kl


def detection(name: str, scene: Scene, rate: float, size: Size) -> str:
    """Median and mean canary requests until rollback, and the share of runs that got there."""
    ends = [
        run(RULES[name](scene, False), (scene.base, rate), constant, size.detect_s, f"d{seed}")
        for seed in range(size.runs)
    ]
    found = [end.requests for end in ends if end.verdict == "Rollback"]
    if len(found) < len(ends) / 2:
        return f"{100 * len(found) / len(ends):.0f}% found"
    mean = math.fsum(found) / len(found)
    missed = "" if len(found) == len(ends) else f" ({100 * len(found) / len(ends):.0f}%)"
    return f"{median(found):.0f}, {mean:.0f}{missed}"


def constant_table(size: Size) -> str:
    """False rollback and detection at a constant weight."""
    heads, columns = [], []
    for scene in SCENES:
        heads.append(f"false rollback at {100 * scene.base:g}%")
        columns.append([false_rollback(name, scene, size) for name in RULES] + ["-"])
        for rate in scene.worse:
            heads.append(f"{100 * scene.base:g} -> {100 * rate:g}%")
            cells = [detection(name, scene, rate, size) for name in RULES]
            columns.append([*cells, f"{limit(scene, rate):.0f}"])
    title = (
        f"At 5 %: false rollbacks in {size.watch_s // 60} minutes; "
        "canary requests to detect (median, mean)"
    )
    return table(title, heads, [*RULES, "information limit"], columns)


def false_rollback(name: str, scene: Scene, size: Size) -> str:
    """The share of runs with identical arms that were rolled back."""
    ends = [
        run(RULES[name](scene, False), (scene.base, scene.base), constant, size.watch_s, f"n{seed}")
        for seed in range(size.runs)
    ]
    return f"{100 * sum(end.verdict == 'Rollback' for end in ends) / len(ends):.1f}%"


def delivery(name: str, scene: Scene, rate: float, size: Size) -> str:
    """Promoted / rolled back / inconclusive in %, and the median minutes to the verdict."""
    ends = [
        run(RULES[name](scene, True), (scene.base, rate), stepped, size.deliver_s, f"p{seed}")
        for seed in range(size.runs)
    ]
    shares = [
        f"{letter}{100 * sum(end.verdict[0] == letter for end in ends) / len(ends):.0f}"
        for letter in "PRI"
    ]
    return f"{' '.join(shares)}, {median([end.seconds for end in ends]) / 60:g} min"


def delivery_table(size: Size) -> str:
    """What becomes of good, tolerable and bad candidates that go up by steps."""
    heads, columns = [], []
    for scene in SCENES:
        edge = scene.tolerated(scene.margin)
        for what, rate in (("same", scene.base), ("on the margin", edge)):
            heads.append(f"{100 * scene.base:g}%: {what}, {100 * rate:g}%")
            columns.append([delivery(name, scene, rate, size) for name in RULES])
    title = "By steps: Promoted, Rolled back, Inconclusive in %, median minutes to the verdict"
    return table(title, heads, list(RULES), columns)


def table(
    title: str, heads: Sequence[str], names: Sequence[str], columns: Sequence[Sequence[str]]
) -> str:
    """The columns side by side, as wide as they must be."""
    widths = [max(map(len, [head, *cells])) for head, cells in zip(heads, columns, strict=True)]
    left = max(map(len, names))
    lines = [title, "  ".join([" " * left, *map(str.rjust, heads, widths)])]
    for i, name in enumerate(names):
        cells = [column[i].rjust(width) for column, width in zip(columns, widths, strict=True)]
        lines.append("  ".join([name.ljust(left), *cells]))
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Prints the tables."""
    if any(argument != "--small" for argument in arguments):
        sys.stderr.write("usage: statistics.py [--small]\n")
        return 2
    size = SMALL if arguments else FULL
    sys.stdout.write(
        f"{size.runs} runs a cell; alpha_R {ALPHA_R} (half of it for the comparisons), alpha_P "
        f"{ALPHA_P}; margins "
        + ", ".join(
            f"{s.margin.ratio:g}x / +{100 * s.margin.absolute:g} pp at {100 * s.base:g}%"
            for s in SCENES
        )
        + " (half of them for rollback)\n\n"
    )
    sys.stdout.write(constant_table(size) + "\n")
    sys.stdout.write(delivery_table(size))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
