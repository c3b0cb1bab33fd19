"""Labels: bad ones of the requests whose labels have come, in matured cohorts (statistics 3.5).

Counted when a request is `delay` old, so cohorts are by the time of the request and the same for
both arms. Only cohorts since the candidate's first request count. Labels that never came are a
comparison of their own: labels that go missing in one arm would hide what they say.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.evidence import comparing
from tidegate.domain.evidence.asks import Ask, CountersAsk, Span
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Rated, Unseen
from tidegate.domain.evidence.comparing import Seen
from tidegate.domain.evidence.rates import margin_of
from tidegate.domain.times import moment, stamp
from tidegate.stats import NO_COUNTS, Counts

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline, Batch

LONGEST = timedelta(hours=1)
"""What is caught up on in one batch, when labels matured before anybody asked."""
PATIENCE = timedelta(minutes=10)
"""How long a whole `LONGEST` without samples (Prometheus was down, say) is asked for again before
it is skipped: waiting for it for ever would keep all that comes after it from being judged."""


def delay_of(metric: Metric) -> timedelta:
    """The age at which a request's label is known or missing."""
    assert metric.delay is not None, "the schema requires a delay"
    return metric.delay


class Labels:
    """State: two comparisons, of bad labels and of missing ones; `from` the first request of the
    candidate, `at` up to when labels have been counted."""

    def role(self, metric: Metric) -> Role:
        return Role.LATE

    def start(self, metric: Metric, baseline: Baseline | None) -> State:
        return comparing.begin([NO_COUNTS, NO_COUNTS], [(), ()])

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        if not span.baking or "from" not in state or metric.prometheus is None:
            return None
        delay = delay_of(metric)
        start = _since(metric, state)
        end = min(span.end, start + LONGEST)
        if end <= start:
            return None
        bad, total = metric.prometheus.bad or "", metric.prometheus.total or ""
        return CountersAsk(metric.name, bad, total, start, end, cohort=delay)

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        if "from" not in state and not batch.shadow and batch.candidate.requests > 0:
            state = {**state, "from": stamp(batch.start)}
        answer = batch.answers.get(metric.name)
        if isinstance(answer, Unseen) and answer.reason == "NoData" and "from" in state:
            over = _since(metric, state) + LONGEST
            return {**state, "at": stamp(over)} if batch.end >= over + PATIENCE else state
        if not isinstance(answer, Rated):
            return state
        requests = answer.requests or (answer.candidate.n, answer.stable.n)
        missing = Seen(
            _missing(answer.candidate, requests[0]), _missing(answer.stable, requests[1])
        )
        margins = [margin_of(metric)] * 2
        seen = [Seen(answer.candidate, answer.stable), missing]
        return {**comparing.added(state, margins, seen, shadow=False), "at": stamp(answer.end)}

    def log_e(self, metric: Metric, state: State) -> LogE:
        return LogE(comparing.log_e(state).rollback)

    def shown(self, metric: Metric, state: State) -> Shown:
        at = comparing.worst(state)
        what = ("bad labels", "missing labels")[at]
        return Shown(what, *comparing.counted(state, at))


def _since(metric: Metric, state: State) -> datetime:
    """Up to when labels have been counted, at first the moment at which there can be some."""
    matured = moment(state["from"]) + delay_of(metric)
    return max(matured, moment(state["at"])) if "at" in state else matured


def _missing(labels: Counts, requests: float) -> Counts:
    """Requests without a label, of all; two sources can disagree by a scrape."""
    return Counts(bad=max(0.0, requests - labels.n), n=max(requests, labels.n))
