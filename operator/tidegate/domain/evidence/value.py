"""Value: a number of the user's under a condition. A plain rule, without error control.

While the condition is false nothing is promoted; false `failures` times in a row (3 by default)
takes the candidate back. No answer, NaN and a condition that cannot be judged count as neither.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.domain.evidence.asks import Ask, Span, ValueAsk
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Reading, Unseen
from tidegate.domain.evidence.condition import condition_problem
from tidegate.domain.evidence.trying import BAD_METRIC

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline, Batch

DEFAULT_FAILURES = 3


def failures_of(metric: Metric) -> int:
    """How many false evaluations in a row take the candidate back."""
    return metric.failures or DEFAULT_FAILURES


class Value:
    """State: `f` false evaluations in a row, `n` evaluations, `ok` what the last one said, `x` its
    number as text (a status holds no infinity)."""

    def role(self, metric: Metric) -> Role:
        return Role.CHECK

    def start(self, metric: Metric, baseline: Baseline | None) -> State | Unseen:
        problem = condition_problem(metric.condition or "")
        if problem is not None:
            return Unseen(BAD_METRIC, f"metric {metric.name}: {problem}")
        return {"f": 0, "n": 0, "ok": False, "x": ""}

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        assert metric.prometheus is not None, "the schema requires a query"
        query = metric.prometheus.query or ""
        return ValueAsk(metric.name, query, metric.condition or "", span.end)

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        answer = batch.answers.get(metric.name)
        if not isinstance(answer, Reading) or math.isnan(answer.value):
            return state
        failed = 0 if answer.holds else state["f"] + 1
        return {"f": failed, "n": state["n"] + 1, "ok": answer.holds, "x": f"{answer.value:.6g}"}

    def log_e(self, metric: Metric, state: State) -> LogE:
        """All or nothing: infinite once it has failed often enough in a row."""
        failed = state["f"] >= failures_of(metric)
        return LogE(math.inf if failed else 0.0, math.inf if state["ok"] else -math.inf)

    def shown(self, metric: Metric, state: State) -> Shown:
        if not state["n"]:
            return Shown("value", message="no value yet")
        said = "holds" if state["ok"] else f"is false ({state['f']} of {failures_of(metric)})"
        return Shown("value", message=f"value {state['x']}, {metric.condition} {said}")
