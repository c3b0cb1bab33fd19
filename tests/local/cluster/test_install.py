"""What `up` installs: the manifests of the repository with this machine's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.errors import Terminal
from tidegate.local.cluster.install import SETTINGS_ANNOTATION, with_settings
from tidegate.local.cluster.kubectl import kubectl_binary, kustomize, run_kubectl

CHECKOUT = Path(__file__).parents[3]


def kubectl() -> Path:
    return kubectl_binary(beside=CHECKOUT / ".tidegate" / "bin")


async def operator_objects(**settings: str) -> dict[str, dict[str, Any]]:
    objects = await kustomize(kubectl(), CHECKOUT / "manifests" / "overlays" / "local")
    with_settings(objects, settings)
    named = (o for o in objects if o["metadata"]["name"] == "tidegate-operator")
    return {o["kind"]: o for o in named}


def digest(found: dict[str, dict[str, Any]]) -> str:
    annotations = found["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    return str(annotations[SETTINGS_ANNOTATION])


async def test_settings_reach_the_config_map_beside_those_of_the_manifests() -> None:
    found = await operator_objects(TIDEGATE_PROMETHEUS_URL="http://127.0.0.1:1")
    data = found["ConfigMap"]["data"]
    assert data["TIDEGATE_PROMETHEUS_URL"] == "http://127.0.0.1:1"
    assert data["TIDEGATE_SCRAPE_INTERVAL"] == "1s"


async def test_other_settings_make_other_pods_and_the_same_ones_do_not() -> None:
    one = await operator_objects(TIDEGATE_PROMETHEUS_URL="http://127.0.0.1:1")
    same = await operator_objects(TIDEGATE_PROMETHEUS_URL="http://127.0.0.1:1")
    other = await operator_objects(TIDEGATE_PROMETHEUS_URL="http://127.0.0.1:2")
    assert digest(one) == digest(same) != digest(other)
    # What was there before stays.
    annotations = one["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"


async def test_a_failure_of_kubectl_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="unable to find one of"):
        await run_kubectl(kubectl(), "kustomize", str(tmp_path))


def test_a_missing_kubectl_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="make setup"):
        kubectl_binary(beside=tmp_path, environment={"PATH": str(tmp_path)})
