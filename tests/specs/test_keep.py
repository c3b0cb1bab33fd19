"""What must stay in a cache, as pods see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import model

from tidegate.api.model import ModelSpec
from tidegate.serving.eviction import read_keep
from tidegate.specs.container import PodFacts
from tidegate.specs.keep import KEEP_KEY, KEEP_NAME, KEEP_PATH, keep_map, listed_in, owner_in
from tidegate.specs.pod import pod_template

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-11-28T10:00:00Z"


def facts(claim: str | None) -> PodFacts:
    return PodFacts(
        model="m", namespace="demo", revision="m-1", image="i", server_image="i",
        location="https://models/v1", sha256="a" * 64, size_limit_bytes=10, cache_claim=claim,
        size=7, cache_limit_bytes=5000,
    )  # fmt: skip


def test_the_init_container_of_a_shared_cache_reads_what_must_stay_and_nobody_else_does() -> None:
    spec = pod_template(ModelSpec.model_validate(model()["spec"]), facts("cache"))["spec"]
    (fetch,) = spec["initContainers"]
    assert fetch["args"][:6] == [
        "--cache-keep", f"{KEEP_PATH}/{KEEP_KEY}", "--cache-limit", "5000", "--size", "7",
    ]  # fmt: skip
    (volume,) = [one for one in spec["volumes"] if one["name"] == "keep"]
    assert volume["configMap"] == {"name": KEEP_NAME, "optional": True}
    for container in spec["containers"]:
        assert "keep" not in {mount["name"] for mount in container["volumeMounts"]}


def test_a_pod_with_a_cache_of_its_own_is_told_nothing() -> None:
    spec = pod_template(ModelSpec.model_validate(model()["spec"]), facts(None))["spec"]
    assert "--cache-keep" not in spec["initContainers"][0]["args"]
    assert "keep" not in {volume["name"] for volume in spec["volumes"]}


def test_what_the_operator_writes_is_what_a_pod_reads(tmp_path: Path) -> None:
    made = keep_map("demo", owner="us", at=AT, digests={"b", "a"})
    assert owner_in(made) == "us"
    assert listed_in(made) == {"a", "b"}
    file = tmp_path / KEEP_KEY
    file.write_text(made["data"][KEEP_KEY])
    keep = read_keep(file)
    assert keep is not None
    assert keep.owner == "us"
    assert keep.digests == {"a", "b"}


@pytest.mark.parametrize(
    ("labels", "data"),
    [
        ({}, {KEEP_KEY: json.dumps({"owner": "us"})}),
        ({"app.kubernetes.io/managed-by": "tidegate"}, {}),
        ({"app.kubernetes.io/managed-by": "tidegate"}, {KEEP_KEY: "no JSON"}),
    ],
)
def test_a_configmap_of_somebody_else_has_no_owner(
    labels: dict[str, str], data: dict[str, Any]
) -> None:
    assert owner_in({"metadata": {"labels": labels}, "data": data}) is None
