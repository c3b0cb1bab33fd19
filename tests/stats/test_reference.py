"""Every formula against numbers from a second implementation (30 digits), to 1e-6.

`reference.json` holds for each function the names of its inputs and one row a case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tidegate.stats.counters import increase
from tidegate.stats.counts import NO_COUNTS, Counts
from tidegate.stats.eprocess import (
    PROMOTE_MULTIPLES,
    ROLLBACK_MULTIPLES,
    conditional_log_e,
    difference_step,
    log_mean_exp,
    promote_alternatives,
    ratio_step,
    rollback_alternatives,
    stable_rate,
)
from tidegate.stats.guard import guard_log_e
from tidegate.stats.intervals import difference_interval, rate_interval, ratio_interval
from tidegate.stats.latency import Histogram
from tidegate.stats.projection import project_difference, project_ratio
from tidegate.stats.quantiles import count_window, quantile_interval

REFERENCE: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("reference.json").read_text()
)
CASES = [
    pytest.param(name, dict(zip(table["of"], row, strict=True)), id=f"{name}-{number}")
    for name, table in REFERENCE.items()
    for number, row in enumerate(table["rows"])
]


def ratio(batches: Sequence[Sequence[float]], r: float, multiples: Sequence[float]) -> float:
    grid: tuple[float, ...] = (0.0,) * len(multiples)
    for k_c, n_c, k_s, n_s in batches:
        grid = ratio_step(
            grid,
            candidate=Counts(k_c, n_c),
            stable=Counts(k_s, n_s),
            ratio=r,
            multiples=multiples,
        )
    return log_mean_exp(grid)


def difference(case: dict[str, Any], *, rollback: bool) -> float:
    alternatives = rollback_alternatives if rollback else promote_alternatives
    history, so_far = Counts(case["hist_k"], case["hist_n"]), NO_COUNTS
    grid: tuple[float, ...] = (0.0,) * (9 if rollback else 5)
    for k_c, n_c, k_s, n_s in case["batches"]:
        q_s = stable_rate(so_far, history)
        grid = difference_step(
            grid,
            candidate=Counts(k_c, n_c),
            stable=Counts(k_s, n_s),
            margin=case["delta"],
            alternatives=alternatives(q_s, case["delta"]),
            q_s=q_s,
            rollback=rollback,
        )
        so_far += Counts(k_s, n_s)
    return log_mean_exp(grid)


def arms(case: dict[str, Any]) -> tuple[Counts, Counts, float]:
    return Counts(case["kc"], case["nc"]), Counts(case["ks"], case["ns"]), case["alpha"]


def projected(case: dict[str, Any]) -> dict[str, float]:
    return {"n_c": case["nc"], "n_s": case["ns"], "q_c": case["qc"], "q_s": case["qs"]}


def prior(case: dict[str, Any]) -> dict[str, float]:
    return {"a": case["a"], "b": case["b"]}


METHODS: dict[str, Callable[[dict[str, Any]], float | Sequence[float]]] = {
    "ratio_rollback": lambda c: ratio(c["batches"], c["r"], ROLLBACK_MULTIPLES),
    "ratio_promote": lambda c: ratio(c["batches"], c["r"], PROMOTE_MULTIPLES),
    "project_difference": lambda c: project_difference(**projected(c), margin=c["delta"]),
    "project_ratio": lambda c: project_ratio(**projected(c), ratio=c["r"]),
    "difference_rollback": lambda c: difference(c, rollback=True),
    "difference_promote": lambda c: difference(c, rollback=False),
    "conditional": lambda c: conditional_log_e(
        bad_c=c["kc"], bad_s=c["ks"], share=c["theta0"], **prior(c)
    ),
    "rate_interval": lambda c: rate_interval(Counts(c["k"], c["n"]), c["alpha"], **prior(c)),
    "difference_interval": lambda c: difference_interval(*arms(c), a=c["a"], b=c["b"]),
    "ratio_interval": lambda c: ratio_interval(*arms(c), a=c["a"], b=c["b"]),
    "guard": lambda c: guard_log_e(Counts(c["k"], c["n"]), c["p0"], **prior(c)),
    "increase": lambda c: increase(c["samples"]),
    "count_window": lambda c: count_window(n=c["n"], q=c["p"], alpha=c["alpha"], t_opt=c["t_opt"]),
    "quantile_interval": lambda c: quantile_interval(
        Histogram(tuple(map(float, c["bounds"])), tuple(map(float, c["cumulative"]))),
        c["p"],
        alpha=c["alpha"],
        t_opt=c["t_opt"],
    ),
}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_it_agrees_with_the_reference(name: str, case: dict[str, Any]) -> None:
    got = METHODS[name](case)
    expected = case["expected"]
    if isinstance(expected, list):
        assert isinstance(got, Sequence)
        assert list(got) == pytest.approx([float(v) for v in expected], rel=1e-6, abs=1e-6)
    else:
        assert got == pytest.approx(float(expected), rel=1e-6, abs=1e-6)


def test_every_function_of_the_reference_is_tested() -> None:
    assert set(METHODS) == set(REFERENCE)
    assert all(len(table["rows"]) >= 7 for table in REFERENCE.values())
