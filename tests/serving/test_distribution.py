"""What is counted of a request, by which bins, and that it stays bounded."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from tidegate.serving.distribution import GATHER_ROWS, MAX_FEATURES, Distributions
from tidegate.serving.profile import parse_profile
from tidegate.serving.signature import Signature, TensorSpec

TEMP = TensorSpec("temp", "FP64")
CARRIER = TensorSpec("carrier", "BYTES")
PROBABILITY = TensorSpec("probability", "FP64")
PROFILE: dict[str, Any] = {
    "version": 1,
    "features": {"temp": {"edges": [0, 20], "counts": [1, 2, 3]}},
    "outputs": {"probability": {"edges": [0.3], "counts": [5, 6], "missing": 1}},
}


def distributions(
    inputs: tuple[TensorSpec, ...] = (TEMP, CARRIER), profile: dict[str, Any] | None = None
) -> Distributions:
    return Distributions(
        Signature(inputs, (PROBABILITY,)),
        model="m",
        revision="m-1",
        profile=parse_profile(json.dumps(profile).encode()) if profile else None,
    )


def note(counted: Distributions, temps: list[float], scores: list[float]) -> None:
    texts = np.array(["UA"] * len(temps), dtype=object)
    counted.note(
        {"temp": np.array(temps), "carrier": texts},
        {"probability": np.array(scores)},
        rows=len(temps),
    )


def shown(counted: Distributions) -> dict[tuple[str, ...], float]:
    """(sample's name, values of its labels but the model's and the revision's) to its value."""
    found = {}
    for family in text_string_to_metric_families(counted.render().decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert (labels.pop("model"), labels.pop("revision")) == ("m", "m-1")
            found[sample.name, *labels.values()] = sample.value
    return found


def test_values_are_counted_by_column_and_bin() -> None:
    counted = distributions()
    note(counted, [3.0, -3.0], [0.25, 0.95])
    note(counted, [float("nan")], [0.25])
    found = shown(counted)
    carrier = [key for key in found if key[1] == "carrier"]
    assert found == {
        ("tidegate_feature_total", "temp", "[2,5)"): 1,
        ("tidegate_feature_total", "temp", "[-5,-2)"): 1,
        ("tidegate_feature_total", "temp", "nan"): 1,
        carrier[0]: 3,
        ("tidegate_prediction_total", "probability", "[0.2,0.3)"): 2,
        ("tidegate_prediction_total", "probability", "[0.9,1)"): 1,
    }
    assert len(carrier) == 1


def test_counters_go_on_over_many_small_requests() -> None:
    counted = distributions()
    for _ in range(3 * GATHER_ROWS + 7):
        note(counted, [3.0], [0.25])
    assert shown(counted)["tidegate_feature_total", "temp", "[2,5)"] == 3 * GATHER_ROWS + 7
    assert shown(counted)["tidegate_feature_total", "temp", "[2,5)"] == 3 * GATHER_ROWS + 7


def test_a_column_may_come_as_one_dimension_or_two() -> None:
    counted = distributions()
    carrier = np.array(["UA"], dtype=object)
    for temp in (np.array([3.0]), np.array([[3.0]])):
        counted.note({"temp": temp, "carrier": carrier}, {}, rows=1)
    found = shown(counted)
    assert found["tidegate_feature_total", "temp", "[2,5)"] == 2
    assert not any(key[0] == "tidegate_prediction_total" for key in found)


def test_a_profile_s_bins_are_used_for_features_and_beside_the_default_ones_for_outputs() -> None:
    counted = distributions(profile=PROFILE)
    note(counted, [30.0, 10.0], [0.25, 0.95])
    found = shown(counted)
    assert found["tidegate_feature_total", "temp", "[20,+inf)"] == 1
    assert found["tidegate_feature_total", "temp", "[0,20)"] == 1
    assert found["tidegate_prediction_total", "probability", "[0.9,1)"] == 1
    assert found["tidegate_prediction_profile_total", "probability", "[0.3,+inf)"] == 1
    assert found["tidegate_profile_count", "feature", "temp", "[0,20)"] == 2
    assert found["tidegate_profile_count", "output", "probability", "nan"] == 1
    assert counted.left_out == []


def test_what_a_profile_says_of_other_columns_is_left_out_and_told() -> None:
    column = {"edges": [1], "counts": [1, 1]}
    profile = {"version": 1, "features": {"carrier": column, "wind": column, "temp": column}}
    counted = distributions(profile=profile)
    assert counted.left_out == ["carrier", "wind"]
    note(counted, [3.0], [0.25])
    assert shown(counted)["tidegate_feature_total", "temp", "[1,+inf)"] == 1


def test_a_matrix_is_counted_column_by_column_up_to_a_bound() -> None:
    width = MAX_FEATURES + 10
    counted = distributions((TensorSpec("x", "FP32", (-1, width)),))
    counted.note({"x": np.full((2, width), 0.5, dtype=np.float32)}, {}, rows=2)
    found = {key[1]: value for key, value in shown(counted).items()}
    assert found == {f"x[{i}]": 2 for i in range(MAX_FEATURES)}


def test_any_name_of_a_column_arrives_as_it_is() -> None:
    name = 'a "quoted"\\\n{odd}, näme'
    counted = distributions((TensorSpec(name, "FP64"),))
    counted.note({name: np.array([3.0])}, {}, rows=1)
    assert shown(counted) == {("tidegate_feature_total", name, "[2,5)"): 1}


def test_threads_lose_no_count() -> None:
    counted = distributions()

    def work() -> None:
        for _ in range(500):
            note(counted, [3.0], [0.25])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert shown(counted)["tidegate_prediction_total", "probability", "[0.2,0.3)"] == 2000
