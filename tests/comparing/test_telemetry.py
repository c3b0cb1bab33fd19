"""The counters that a rollout reads: names, labels, and that all of them only rise."""

from __future__ import annotations

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families
from tests.comparing.test_settings import GOOD

from tidegate.comparing.arms import Arm
from tidegate.comparing.comparison import Compared, Outcome
from tidegate.comparing.join import Unpaired
from tidegate.comparing.settings import Settings
from tidegate.comparing.telemetry import MAX_OUTPUTS, Telemetry

OWN = {"namespace": "demo", "model": "m", "stable": "m-1", "candidate": "m-2"}


def a_telemetry() -> Telemetry:
    return Telemetry(Settings.from_environment(GOOD))


def samples(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """By short name and the labels beyond the model's own."""
    found = {}
    for family in text_string_to_metric_families(telemetry.render().decode()):
        for sample in family.samples:
            if not sample.name.startswith("tidegate_shadow_") or sample.name.endswith("_created"):
                continue
            labels = dict(sample.labels)
            assert {name: labels.pop(name) for name in OWN} == OWN
            found[sample.name.removeprefix("tidegate_shadow_"), *labels.values()] = sample.value
    return found


def test_every_counter_with_fixed_labels_is_there_from_the_start() -> None:
    names: set[tuple[str, ...]] = {("pairs_total",), ("disagree_total",)}
    names |= {("unpaired_total", str(reason)) for reason in Unpaired}
    names |= {("error_pairs_total", failed) for failed in ("stable", "candidate", "both")}
    for name in ("lost_total", "read_failures_total", "pods"):
        names |= {(name, str(arm)) for arm in Arm}
    assert samples(a_telemetry()) == dict.fromkeys(names, 0.0)


def test_pairs_disagreements_and_failures_are_counted_apart() -> None:
    telemetry = a_telemetry()
    for outcome, times in (
        (Outcome.AGREE, 5),
        (Outcome.DISAGREE, 2),
        (Outcome.CANDIDATE_FAILED, 3),
        (Outcome.BOTH_FAILED, 1),
    ):
        for _ in range(times):
            telemetry.pair(Compared(outcome))
    found = samples(telemetry)
    assert found["pairs_total",] == 7
    assert found["disagree_total",] == 2
    assert found["error_pairs_total", "candidate"] == 3
    assert found["error_pairs_total", "both"] == 1


def test_differences_are_kept_as_sums_that_only_rise() -> None:
    telemetry = a_telemetry()
    for difference in (0.5, -0.25, 0.0):
        telemetry.pair(Compared(Outcome.DISAGREE, {"y": difference}))
    found = samples(telemetry)
    assert found["difference_positive_total", "y"] == 0.5
    assert found["difference_negative_total", "y"] == 0.25
    assert found["difference_squares_total", "y"] == 0.3125
    assert found["difference_count_total", "y"] == 3


def test_outputs_are_bounded() -> None:
    telemetry = a_telemetry()
    for number in range(MAX_OUTPUTS + 5):
        telemetry.pair(Compared(Outcome.AGREE, {f"y{number}": 1.0}))
    found = samples(telemetry)
    assert sum(key[0] == "difference_count_total" for key in found) == MAX_OUTPUTS


def test_what_was_not_seen_is_counted_too() -> None:
    telemetry = a_telemetry()
    telemetry.unpaired(Counter({Unpaired.STABLE_MISSING: 4}))
    telemetry.lost(Arm.STABLE, 7)
    telemetry.failed(Arm.CANDIDATE)
    telemetry.pods(Arm.CANDIDATE, 2)
    found = samples(telemetry)
    assert found["unpaired_total", "stable_missing"] == 4
    assert found["lost_total", "stable"] == 7
    assert found["read_failures_total", "candidate"] == 1
    assert found["pods", "candidate"] == 2
