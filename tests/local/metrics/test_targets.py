"""Which pods are scraped, and under which labels."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.metrics.targets import target_groups

type Obj = dict[str, Any]


def pod(name: str = "p", *, phase: str = "Running", ip: str = "127.64.0.2", **marks: str) -> Obj:
    annotations = {f"prometheus.io/{key}": value for key, value in marks.items()}
    labels = {"tidegate.dev/model": "flights", "tidegate.dev/revision": "flights-0a1b2c3d"}
    return {
        "metadata": {
            "name": name,
            "namespace": "demo",
            "labels": labels,
            "annotations": annotations,
        },
        "status": {"phase": phase, "podIP": ip},
    }


def test_an_annotated_pod_is_scraped_under_its_labels() -> None:
    (group,) = target_groups([pod(scrape="true", port="8080", path="/m")])
    assert group == {
        "targets": ["127.64.0.2:8080"],
        "labels": {
            "namespace": "demo",
            "pod": "p",
            "tidegate_dev_model": "flights",
            "tidegate_dev_revision": "flights-0a1b2c3d",
            "__metrics_path__": "/m",
        },
    }


@pytest.mark.parametrize(
    "unwanted",
    [
        pod(port="8080"),
        pod(scrape="false"),
        pod(scrape="true", phase="Pending"),
        pod(scrape="true", phase="Succeeded"),
        pod(scrape="true", ip=""),
    ],
)
def test_other_pods_are_not_scraped(unwanted: Obj) -> None:
    assert target_groups([unwanted]) == []


def test_the_order_of_targets_does_not_depend_on_the_order_of_events() -> None:
    one, two = pod("a", scrape="true"), pod("b", scrape="true")
    assert target_groups([one, two]) == target_groups([two, one])
