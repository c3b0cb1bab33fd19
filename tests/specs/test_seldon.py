"""Pods of the runtime seldon: the wrapper as it behaves well, not as its defaults are."""

from __future__ import annotations

from typing import Any

from tidegate.api.model import ModelSpec
from tidegate.specs.container import PodFacts
from tidegate.specs.pod import pod_template
from tidegate.specs.seldon import DRAIN_S


def server(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    spec = ModelSpec.model_validate(
        {
            "artifact": {"uri": "https://models/v1", "format": "sklearn-skops"},
            "runtime": {"seldon": changes},
        }
    )
    facts = PodFacts(
        model="m",
        namespace="demo",
        revision="m-1",
        image="v2:1",
        server_image="seldon:1",
        location="https://models/v1",
        sha256="a" * 64,
        size_limit_bytes=10,
        cache_claim="cache",
    )
    template = pod_template(spec, facts)
    return template, template["spec"]["containers"][0]


def test_it_has_threads_and_no_grpc_and_is_ready_by_the_model_s_word() -> None:
    template, found = server(threads=6)
    flags = dict(zip(found["args"][::2], found["args"][1::2], strict=True))
    assert (flags["--threads"], flags["--workers"], flags["--grpc-workers"]) == ("6", "1", "0")
    for probe in ("startupProbe", "readinessProbe"):
        assert found[probe]["httpGet"]["path"] == "/health/status"
    assert found["livenessProbe"]["httpGet"]["path"] == "/health/ping"
    assert found["lifecycle"]["preStop"] == {"sleep": {"seconds": DRAIN_S}}
    assert template["spec"]["terminationGracePeriodSeconds"] > DRAIN_S + 10
    assert template["spec"]["initContainers"][0]["image"] == "v2:1"


def test_its_series_are_named_and_its_counters_not_told_to_callers() -> None:
    _, found = server(env=[{"name": "SELDON_LOG_LEVEL", "value": "DEBUG"}, {"name": "A"}])
    env = {each["name"]: each.get("value") for each in found["env"]}
    assert env["PREDICTIVE_UNIT_IMAGE"] == "m:m-1"
    assert env["INCLUDE_METRICS_IN_CLIENT_RESPONSE"] == "false"
    assert env["SELDON_LOG_LEVEL"] == "WARNING"
    assert "A" in env
    writable = {each["mountPath"] for each in found["volumeMounts"] if not each.get("readOnly")}
    assert env["HOME"] in writable
    assert "/tmp" in writable
