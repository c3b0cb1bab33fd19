"""What one Rollout costs: CPU of an evaluation alone, bytes of its status."""

from __future__ import annotations

import math
import time
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from tests.controllers.site import NAMESPACE
from tests.domain.evidence.made import (
    AGREE,
    BUDGET,
    CANCELLED,
    DRIFT,
    ERRORS,
    LATENCY,
    QUALITY,
    SLO,
    STEP,
    T0,
    analysis,
    begun,
)  # fmt: skip

from tidegate.api.ab_test import MAX_TRIALS
from tidegate.api.contest_status import Trial, Trials
from tidegate.api.rollout import Rollout
from tidegate.api.rollout_status import Transition
from tidegate.controllers.reporting import STATUS_MANAGER
from tidegate.domain.evidence import (
    Arm,
    Baseline,
    Batch,
    Paired,
    Predicted,
    Rated,
    Reading,
    bounds_ms,
    judge,
    promotion_requests,
    update,
)  # fmt: skip
from tidegate.domain.record.recording import FLUSH_BYTES, FLUSH_ROWS
from tidegate.domain.rollout.transitions import HISTORY_LIMIT, remembered
from tidegate.domain.rollout.trialing import with_trial
from tidegate.domain.times import stamp
from tidegate.kube.objects import name_of
from tidegate.kube.resources import ROLLOUTS
from tidegate.stats import Counts, Histogram
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.domain.evidence import Answer
    from tidegate.kube.objects import Object

_REPEATS = 200
_RATED = ("Counters", "Labels")
_BOUNDS = tuple(float(bound) for bound in range(10, 610, 10))
_BASELINE = Baseline(
    Counts(bad=200, n=20000),
    Histogram((*_BOUNDS, math.inf), (*(min(100 * bound, 20000) for bound in _BOUNDS), 20000)),
    rate=100.0,
)
ALL_TYPES: list[dict[str, Any]] = [
    ERRORS,
    {**LATENCY, "quantiles": [0.5, 0.75, 0.9]},
    {**LATENCY, "name": "tail", "quantiles": [0.99]},
    SLO, CANCELLED, BUDGET, AGREE, DRIFT, QUALITY, {**QUALITY, "name": "complaints"},
]  # fmt: skip
"""Ten metrics of all types, with as many quantiles as a Rollout may have."""
FOR_TRIALS: list[dict[str, Any]] = [
    *(metric for metric in ALL_TYPES if metric["type"] not in ("Disagreement", "Labels")),
    *({**CANCELLED, "name": f"cancelled-{at}"} for at in range(3)),
]
"""Ten of the types that aa may have."""


def _batch(
    at: int,
    stable: float,
    candidate: float,
    *,
    bounds: int,
    answers: Mapping[str, Answer] = MappingProxyType({}),
) -> Batch:
    """So many requests, some of them bad and some slow."""
    one, other = (
        Arm(n, n / 103, slow=tuple(n / (3 + i) for i in range(bounds)), timed=n)
        for n in (stable, candidate)
    )
    start = T0 + at * STEP
    return Batch(start, start + STEP, one, other, answers=answers)


def evidence_of(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What stands in a status after an hour of uneven counts."""
    of = analysis(*metrics)
    found, random = begun(of, _BASELINE), Random(7)
    bounds = len(bounds_ms(found))
    for at in range(240):
        stable, candidate = (random.uniform(500, 900), random.uniform(200, 400))
        bins = {
            "probability": {f"[{i / 10},{(i + 1) / 10})": random.uniform(5, 99) for i in range(10)}
        }
        rated = Rated(
            T0, Counts(candidate / 97, candidate), Counts(stable / 101, stable), (300, 600)
        )
        answers: dict[str, Answer] = {
            **{metric["name"]: rated for metric in metrics if metric["type"] in _RATED},
            "budget": Reading(T0, random.random() / 6, holds=True),
            "agree": Paired(T0, Counts(candidate / 107, candidate)),
            "drift": Predicted(T0, bins, bins),
        }  # fmt: skip
        batch = _batch(at, stable, candidate, bounds=bounds, answers=answers)
        found = update(found, of, batch)
    return [entry.wire() for entry in found]


def with_all_types(rollout: Object) -> Object:
    """The Rollout with ten metrics of all types, and their evidence in its status."""
    spec = {
        **rollout["spec"],
        "analysis": {**rollout["spec"]["analysis"], "metrics": ALL_TYPES},
        "strategy": {"canary": {"steps": [{"shadow": {}}, {"weight": 25}]}},
        "baking": {"duration": "2d"},
    }
    status = {**rollout["status"], "evidence": evidence_of(ALL_TYPES)}
    return {**rollout, "spec": spec, "status": status}


def after_trials(rollout: Object) -> Object:
    """The Rollout with 50 trials of strategy aa behind it, each ended by another metric."""
    trials = Trials(key="0" * 12, stable="m-01234567", twin="m-89abcdef", expected_at_most=0.01)
    names = [metric["name"] for metric in FOR_TRIALS]
    for at in range(MAX_TRIALS):
        name = names[at % len(names)]
        alarm = Trial(at=stamp(T0), verdict="Rollback", metric=name, n=1234.5, seconds=1800)
        trials = with_trial(trials, alarm)
    spec = {**rollout["spec"], "strategy": {"aa": {"trials": MAX_TRIALS}}}
    spec["analysis"] = {**spec["analysis"], "metrics": FOR_TRIALS}
    status = {**rollout["status"], "aa": trials.wire(), "evidence": evidence_of(FOR_TRIALS)}
    return {**rollout, "spec": spec, "status": status}


async def status_bytes(rollout: Object) -> int:
    """Size of a Rollout's status in an API server, with managedFields, as JSON, when its history
    is full and rows of its record wait to be written.

    How many pods there are makes no difference: a status counts them.
    """
    status = dict(rollout["status"])
    before = [Transition.model_validate(entry) for entry in status["history"]]
    full = [before[at % len(before)] for at in range(HISTORY_LIMIT)]
    status["history"] = [entry.wire() for entry in remembered(full)]
    status["arms"] = [{**arm, "ready": 30} for arm in status["arms"]]
    status["records"] = [dict(record) for record in status["records"]]
    for record in status["records"]:
        rows = [row for row in record["rows"] for _ in range(FLUSH_ROWS)][:FLUSH_ROWS]
        while sum(map(len, rows)) > FLUSH_BYTES:
            rows.pop()
        record["rows"] = rows
    async with FakeKube.start() as kube:
        made = {key: rollout[key] for key in ("apiVersion", "kind", "spec")}
        made["metadata"] = {"name": name_of(rollout), "namespace": NAMESPACE}
        await kube.put(made)
        await kube.user.apply_status(ROLLOUTS, {**made, "status": status}, manager=STATUS_MANAGER)
        found = await kube.user.get(ROLLOUTS, name_of(rollout), namespace=NAMESPACE)
    return len(orjson.dumps([found["status"], found["metadata"]["managedFields"]]))


def evaluation_ms(rollout: Object) -> float:
    """CPU of one evaluation alone: a batch of five metrics counted, judged and shown."""
    parsed = Rollout.model_validate(rollout)
    of, entries = parsed.spec.analysis, parsed.status.evidence
    bounds = len(bounds_ms(entries))
    began = time.process_time()
    for at in range(_REPEATS):
        found = update(entries, of, _batch(at, 300.0, 100.0, bounds=bounds))
        judge(found, of, candidate_requests=promotion_requests(found))
        entries = found
    return 1000 * (time.process_time() - began) / _REPEATS
