"""PredictionDrift: is the candidate's distribution of predictions that of stable (statistics 6)?

Both arms' predictions of the same time are gathered in windows. Each full window gives, for every
output, a p-value (population stability index against its chi-square null) and from it an e-value.
Windows are multiplied, which is an e-process because they do not overlap, and outputs averaged. The
guard breaks only if the effect, on the mean of the windows, is above `max` as well.

Guarantee: for arms that predict alike, the guard breaks with at most its share of alpha_R, as far
as the chi-square null holds (5 expected in each bin, which sparse bins are merged for) and
predictions are independent: rows of one request are not, so large batches in one request make it
bolder. For arms that differ by less than `max`, only the measured effect protects, with an error
that falls with the number of predictions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.domain.evidence.asks import Ask, PredictionsAsk, Span
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Predicted
from tidegate.domain.evidence.guarding import limit_of
from tidegate.stats import log_mean_exp
from tidegate.stats.detector import log_e_of_log_p
from tidegate.stats.drift import psi, psi_effect
from tidegate.stats.special import log_chi2_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline, Batch

WINDOW = 1000.0
"""Predictions of each arm, of one output, that make a window."""
LEAST_EXPECTED = 5.0
MOST_OUTPUTS = 4
MOST_BINS = 24
"""The state has to stay small: the first outputs by name, and further bins as one."""
_REST = "rest"

type Bins = dict[str, list[float]]
"""Counts by bin: [candidate, stable]."""


class PredictionDrift:
    """State, by output: `w` the bins of the open window, `n` full windows, `e` their log-e, `d` the
    sum of their effects."""

    def role(self, metric: Metric) -> Role:
        return Role.GUARD

    def start(self, metric: Metric, baseline: Baseline | None) -> State:
        return {"o": {}}

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        """Without stable's predictions of the same time there is nothing to compare with."""
        return None if span.baking else PredictionsAsk(metric.name, span.start, span.end)

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        answer = batch.answers.get(metric.name)
        if not isinstance(answer, Predicted):
            return state
        outputs = sorted({*state["o"], *answer.candidate, *answer.stable})[:MOST_OUTPUTS]
        return {
            "o": {
                output: _added(
                    state["o"].get(output, {"w": {}, "n": 0, "e": 0.0, "d": 0.0}),
                    answer.candidate.get(output, {}),
                    answer.stable.get(output, {}),
                )
                for output in outputs
            }
        }

    def log_e(self, metric: Metric, state: State) -> LogE:
        """The mean over the outputs, and none of it while every effect is within `max`."""
        outputs = state["o"].values()
        if not outputs:
            return LogE(0.0)
        value = log_mean_exp([output["e"] for output in outputs])
        within = _largest(state)[1] <= limit_of(metric)
        return LogE(min(value, 0.0) if within else value)

    def shown(self, metric: Metric, state: State) -> Shown:
        name, effect = _largest(state)
        if not name:
            return Shown("drift", message=f"fewer than {WINDOW:.0f} predictions of each arm yet")
        text = (
            f"predictions of {name} differ from stable's by {max(0.0, effect):.3f}"
            f" ({state['o'][name]['n']} windows), limit {limit_of(metric):g}"
        )
        return Shown("drift", message=text)


def _largest(state: State) -> tuple[str, float]:
    """The output whose predictions differ most, and by how much on the mean of its windows."""
    effects = {
        name: output["d"] / output["n"] for name, output in state["o"].items() if output["n"]
    }
    if not effects:
        return "", -math.inf
    name = max(effects, key=effects.__getitem__)
    return name, effects[name]


def _added(output: State, candidate: Mapping[str, float], stable: Mapping[str, float]) -> State:
    """One output after a batch."""
    window: Bins = {name: list(pair) for name, pair in output["w"].items()}
    for arm, counts in enumerate((candidate, stable)):
        for name, count in sorted(counts.items()):
            place = name if name in window or len(window) < MOST_BINS else _REST
            pair = window.setdefault(place, [0.0, 0.0])
            pair[arm] = round(pair[arm] + count, 3)
    totals = [math.fsum(pair[arm] for pair in window.values()) for arm in (0, 1)]
    if min(totals) < WINDOW:
        return {**output, "w": window}
    log_e, effect = window_evidence(window)
    return {
        "w": {},
        "n": output["n"] + 1,
        "e": round(output["e"] + log_e, 6),
        "d": round(output["d"] + effect, 6),
    }


def window_evidence(window: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Log-e (nats) of one window against "both arms predict alike", and the effect: the stability
    index less what chance alone gives on average.

    A constant prediction has no distribution to compare: no evidence, no effect.
    """
    candidate, stable = usable(window)
    if len(candidate) < 2:
        return 0.0, 0.0
    n, m, bins = math.fsum(candidate), math.fsum(stable), len(candidate)
    value = psi(candidate, stable)
    log_p = min(0.0, log_chi2_tail(value / (1.0 / n + 1.0 / m), bins - 1))
    return log_e_of_log_p(log_p), psi_effect(value, n=n, m=m, bins=bins)


def usable(bins: Mapping[str, Sequence[float]]) -> tuple[list[float], list[float]]:
    """Both arms' counts, with bins in which fewer than five are expected merged into one."""
    n = math.fsum(pair[0] for pair in bins.values())
    m = math.fsum(pair[1] for pair in bins.values())
    if n <= 0.0 or m <= 0.0:
        return [], []
    least = min(n, m) / (n + m)
    kept, rest = [], [0.0, 0.0]
    for pair in bins.values():
        if (pair[0] + pair[1]) * least >= LEAST_EXPECTED:
            kept.append([pair[0], pair[1]])
        else:
            rest = [rest[0] + pair[0], rest[1] + pair[1]]
    if not kept or (rest[0] + rest[1]) * least >= LEAST_EXPECTED:
        kept.append(rest)
    elif sum(rest) > 0.0:
        smallest = min(kept, key=sum)
        smallest[0], smallest[1] = smallest[0] + rest[0], smallest[1] + rest[1]
    return [pair[0] for pair in kept], [pair[1] for pair in kept]
