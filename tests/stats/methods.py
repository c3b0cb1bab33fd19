"""The names that reference vectors use, and what of `tidegate.stats` each of them means.

One entry a method: from the inputs of a vector to the result in the vector's own shape.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tidegate.stats import drift, kernel, means
from tidegate.stats.assignment import assignment_log_e
from tidegate.stats.band import lil_band
from tidegate.stats.counters import increase
from tidegate.stats.counts import NO_COUNTS, Counts
from tidegate.stats.decision import Exposure, decide
from tidegate.stats.detector import NO_EVIDENCE, cusum, log_e_of_p, shiryaev_roberts
from tidegate.stats.discoveries import by_log_e, by_p
from tidegate.stats.dispersion import pearson_phi
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
from tidegate.stats.loss import choice
from tidegate.stats.moments import Moments, stratified_difference
from tidegate.stats.pairs import pairs_log_e
from tidegate.stats.performance import expected_performance
from tidegate.stats.projection import project_difference, project_ratio
from tidegate.stats.quantiles import count_window, quantile_interval
from tidegate.stats.separation import separation
from tidegate.stats.weight import next_weight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Case = dict[str, Any]


def _ratio(case: Case, multiples: Sequence[float]) -> float:
    multiples = case.get("mult", multiples)
    grid: tuple[float, ...] = (0.0,) * len(multiples)
    for k_c, n_c, k_s, n_s in case["batches"]:
        grid = ratio_step(
            grid,
            candidate=Counts(k_c, n_c),
            stable=Counts(k_s, n_s),
            ratio=case["r"],
            multiples=multiples,
        )
    return log_mean_exp(grid)


def _difference(case: Case, *, rollback: bool) -> float:
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


def _arms(case: Case) -> tuple[Counts, Counts, float]:
    return Counts(case["kc"], case["nc"]), Counts(case["ks"], case["ns"]), case["alpha"]


def _projected(case: Case) -> dict[str, float]:
    return {"n_c": case["nc"], "n_s": case["ns"], "q_c": case["qc"], "q_s": case["qs"]}


def _prior(case: Case) -> dict[str, float]:
    return {"a": case["a"], "b": case["b"]}


def _quantile(case: Case) -> Sequence[float]:
    histogram = Histogram(tuple(map(float, case["bounds"])), tuple(map(float, case["cumulative"])))
    return quantile_interval(histogram, case["p"], alpha=case["alpha"], t_opt=case["t_opt"])


def _width(case: Case) -> dict[str, float]:
    return {"deviation": case["sd"], "alpha": case["alpha"], "t_opt": case["t_opt"]}


def _normal(case: Case) -> dict[str, float]:
    return {"d": case["d"], "v": case["v"], "tau2": case["tau2"], "theta": case["theta0"]}


def _stratified(case: Case) -> Sequence[float] | None:
    phases = [(Moments(*row[:3]), Moments(*row[3:])) for row in case["phases"]]
    return stratified_difference(phases)


def _phi(case: Case) -> float:
    columns = (case[name] for name in ("kA", "nA", "kB", "nB"))
    rows = zip(*columns, strict=True)
    return pearson_phi((Counts(k_a, n_a), Counts(k_b, n_b)) for k_a, n_a, k_b, n_b in rows)


def _decide(case: Case) -> str:
    return decide(
        rollback=case["log_e_rollback"],
        promote=case["log_e_promote"],
        weights=case["weights"],
        alpha_r=case["alpha_r"],
        alpha_p=case["alpha_p"],
        exposure=Exposure(
            requests=case["n_canary"],
            least_requests=case["n_min"],
            elapsed_s=case["elapsed"],
            least_s=case["t_min"],
            most_s=case["t_max"],
        ),
    ).verdict


def _next_weight(case: Case) -> float:
    return next_weight(
        budget=case["budget"],
        excess=case["U"],
        requests=case["Nc"],
        rate=case["rate"],
        horizon_s=case["horizon"],
        floor=case["w_min"],
        ceiling=case["w_max"],
    )


def _chi2(case: Case) -> tuple[float, float]:
    found = drift.chi2_two_sample(case["x"], case["y"])
    return found.statistic, found.p


def _detected(
    e_values: Sequence[float], follow: Callable[[float, float], float]
) -> Sequence[float]:
    log_m, seen = NO_EVIDENCE, []
    for e in e_values:
        log_m = follow(log_m, math.log(e) if e > 0.0 else -math.inf)
        seen.append(math.exp(log_m))
    return seen


def _by_e(case: Case) -> Sequence[int]:
    return by_log_e([math.log(e) if e > 0.0 else -math.inf for e in case["e"]], case["q"])


def _performance(case: Case) -> dict[str, float] | None:
    found = expected_performance(case["scores"], case["thr"])
    if found is None:
        return None
    values = asdict(found)
    return values | {"se_acc": values.pop("accuracy_error")}


METHODS: dict[str, Callable[[Case], Any]] = {
    "rr_rollback_log_e": lambda c: _ratio(c, ROLLBACK_MULTIPLES),
    "rr_promote_log_e": lambda c: _ratio(c, PROMOTE_MULTIPLES),
    "kl_project_diff": lambda c: project_difference(**_projected(c), margin=c["delta"]),
    "kl_project_ratio": lambda c: project_ratio(**_projected(c), ratio=c["r"]),
    "diff_rollback_log_e": lambda c: _difference(c, rollback=True),
    "diff_promote_log_e": lambda c: _difference(c, rollback=False),
    "bernoulli_cs": lambda c: rate_interval(Counts(c["k"], c["n"]), c["alpha"], **_prior(c)),
    "diff_cs": lambda c: difference_interval(*_arms(c), a=c["a"], b=c["b"]),
    "ratio_cs": lambda c: ratio_interval(*_arms(c), a=c["a"], b=c["b"]),
    "slo_one_sided_log_e": lambda c: guard_log_e(Counts(c["k"], c["n"]), c["p0"], **_prior(c)),
    "cond_beta_binomial_log_e": lambda c: conditional_log_e(
        bad_c=c["kc"], bad_s=c["ks"], share=c["theta0"], **_prior(c)
    ),
    "quantile_count_window": lambda c: count_window(
        n=c["n"], q=c["p"], alpha=c["alpha"], t_opt=c["t_opt"]
    ),
    "quantile_cs_buckets": _quantile,
    "ecdf_lil_band": lambda c: lil_band(c["t"], c["alpha"], t_min=c["t_min"]),
    "asymptotic_cs_halfwidth": lambda c: means.half_width(c["t"], **_width(c)),
    "asymptotic_cs_halfwidth_one_sided": lambda c: means.one_sided_half_width(c["t"], **_width(c)),
    "msprt_diff_log_e": lambda c: means.mean_log_e(**_normal(c)),
    "one_sided_normal_log_e": lambda c: means.larger_log_e(**_normal(c)),
    "msprt_diff_cs_halfwidth": lambda c: means.mean_half_width(
        c["v"], alpha=c["alpha"], tau2=c["tau2"]
    ),
    "mcnemar_log_e": lambda c: pairs_log_e(candidate_right=c["b"], stable_right=c["c"], a=c["a0"]),
    "stratified_diff": _stratified,
    "counter_increase": lambda c: increase(c["samples"]),
    "next_weight": _next_weight,
    "decide": _decide,
    "pearson_phi": _phi,
    "srm_log_e": lambda c: assignment_log_e(
        c["counts"], c["theta"], concentration=c["concentration"]
    ),
    "bayes_expected_loss": lambda c: choice(
        Counts(c["k1"], c["n1"]), Counts(c["k2"], c["n2"]), **_prior(c)
    ),
    "psi": lambda c: drift.psi(c["x"], c["y"], smoothing=c["eps"]),
    "js_nats": lambda c: drift.jensen_shannon(c["x"], c["y"]),
    "ks_binned": lambda c: drift.kolmogorov_smirnov(c["x"], c["y"]),
    "w1_binned": lambda c: drift.wasserstein(c["x"], c["y"], c["edges"]),
    "chi2_two_sample": _chi2,
    "psi_threshold": lambda c: drift.psi_threshold(
        n=c["n"], m=c["m"], bins=c["B"], alpha=c["alpha"]
    ),
    "bh": lambda c: by_p(c["p"], c["q"]),
    "e_bh": _by_e,
    "p_to_e": lambda c: math.exp(log_e_of_p(c["p"])),
    "sr_edetector": lambda c: _detected(c["e"], shiryaev_roberts),
    "cusum_edetector": lambda c: _detected(c["e"], cusum),
    "c2st_auc": lambda c: separation(c["y"], c["s"]),
    "mmd2_unbiased": lambda c: kernel.mmd2(c["A"], c["B"], gamma=c["gamma"]),
    "cbpe": _performance,
}
