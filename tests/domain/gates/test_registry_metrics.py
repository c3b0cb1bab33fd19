"""Gates on a registry's metrics: bounds, stable, the data measured on, what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.gate import Gate
from tidegate.api.origin import Origin
from tidegate.domain.gates.registry_metrics import Compared, judge

HOLDOUT = "sha256:aa"


def gate(**fields: Any) -> Gate:
    return Gate.model_validate({"name": "auc", "metric": "roc_auc", **fields})


def origin(*measured: tuple[str, float, str | None], version: str = "3") -> Origin:
    metrics = [
        {"metric": metric, "value": value, "dataset": "holdout" if of else None, "digest": of}
        for metric, value, of in measured
    ]
    return Origin.model_validate(
        {"registry": "mlflow", "name": "flight-delay", "version": version, "metrics": metrics}
    )


ABSOLUTE = [
    ({"min": 0.65}, 0.65, "Passed", "Passed"),
    ({"min": 0.65}, 0.60, "Failed", "BelowMin"),
    ({"max": 0.1}, 0.1, "Passed", "Passed"),
    ({"max": 0.1}, 0.11, "Failed", "AboveMax"),
    ({"min": 0.5, "max": 0.9}, 0.95, "Failed", "AboveMax"),
]


@pytest.mark.parametrize(("bounds", "value", "result", "reason"), ABSOLUTE)
def test_a_value_is_held_against_its_bounds(
    bounds: dict[str, float], value: float, result: str, reason: str
) -> None:
    found = judge(gate(**bounds), origin(("roc_auc", value, None)), None)
    assert (found.result, found.reason, found.value) == (result, reason, value)


def test_a_failure_names_value_bound_data_and_source() -> None:
    found = judge(gate(min=0.65, dataset=HOLDOUT), origin(("roc_auc", 0.6, HOLDOUT)), None)
    assert found.bound == "min 0.65"
    assert found.source == "mlflow flight-delay version 3, data holdout sha256:aa"
    assert "roc_auc is 0.6, below min 0.65 on data holdout sha256:aa" in found.message


MISSING = [
    (None, "OriginUnknown", "no registry knows this version"),
    (origin(), "MetricMissing", "it has nothing"),
    (origin(("f1", 0.5, None), ("loss", 0.1, None)), "MetricMissing", "it has f1, loss"),
    (origin(("roc_auc", 0.9, "sha256:bb")), "DatasetMismatch", "but on data holdout sha256:bb"),
    (origin(("roc_auc", 0.9, None)), "DatasetMismatch", "data that the registry does not name"),
    (origin(("roc_auc", float("nan"), HOLDOUT)), "MetricNotFinite", "nan"),
    (origin(("roc_auc", float("inf"), HOLDOUT)), "MetricNotFinite", "inf"),
]


@pytest.mark.parametrize(("known", "reason", "message"), MISSING)
def test_a_metric_that_is_not_there_or_of_other_data_fails_and_says_what_there_is(
    known: Origin | None, reason: str, message: str
) -> None:
    found = judge(gate(min=0.65, dataset=HOLDOUT), known, None)
    assert (found.result, found.reason, found.value) == ("Failed", reason, None)
    assert message in found.message


def test_without_a_dataset_a_metric_of_several_is_ambiguous() -> None:
    known = origin(("roc_auc", 0.9, HOLDOUT), ("roc_auc", 0.6, "sha256:bb"))
    found = judge(gate(min=0.65), known, None)
    assert found.reason == "MetricAmbiguous"
    assert "0.9 on data holdout sha256:aa" in found.message


def test_relative_to_stable_passes_while_nothing_is_stable() -> None:
    found = judge(gate(relativeTo="stable", maxDrop=0.01), origin(("roc_auc", 0.6, None)), None)
    assert (found.result, found.reason) == ("Passed", "NoStable")


RELATIVE = [
    ({"maxDrop": 0.01}, 0.74, 0.73, "Passed"),
    ({"maxDrop": 0.01}, 0.74, 0.729, "Failed"),
    ({"maxDrop": 0.0}, 0.74, 0.74, "Passed"),
    ({"maxDrop": 0.0}, 0.74, 0.9, "Passed"),
    ({"maxRise": 0.05}, 0.30, 0.35, "Passed"),
    ({"maxRise": 0.05}, 0.30, 0.36, "Failed"),
    ({"maxRise": 0.05}, 0.30, 0.1, "Passed"),
]


@pytest.mark.parametrize(("bound", "theirs", "ours", "result"), RELATIVE)
def test_a_value_is_held_against_stables(
    bound: dict[str, float], theirs: float, ours: float, result: str
) -> None:
    stable = Compared("m-1", origin(("roc_auc", theirs, HOLDOUT), version="2"))
    found = judge(gate(relativeTo="stable", **bound), origin(("roc_auc", ours, HOLDOUT)), stable)
    assert found.result == result, found.message
    assert found.reason == ("Passed" if result == "Passed" else "WorseThanStable")


def test_stable_must_have_been_measured_on_the_same_data() -> None:
    stable = Compared("m-1", origin(("roc_auc", 0.7, "sha256:old")))
    found = judge(gate(relativeTo="stable", maxDrop=0.1), origin(("roc_auc", 0.7, HOLDOUT)), stable)
    assert (found.result, found.reason) == ("Failed", "DatasetMismatch")
    assert "stable m-1 was not measured on sha256:aa" in found.message


def test_a_stable_that_no_registry_knows_fails_the_comparison() -> None:
    known = origin(("roc_auc", 0.7, HOLDOUT))
    found = judge(gate(relativeTo="stable", maxDrop=0.1), known, Compared("m-1", None))
    assert (found.result, found.reason) == ("Failed", "OriginUnknown")
    assert "no registry knows stable m-1" in found.message
