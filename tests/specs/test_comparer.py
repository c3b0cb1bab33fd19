"""The comparer's objects: nobody's selector but its own, restricted, and one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.comparing.settings import Settings
from tidegate.specs.comparer import ComparedArm, comparer, comparer_name
from tidegate.specs.container import METRICS_PORT, OUTPUTS_PORT
from tidegate.specs.metadata import Parent, labels, selector
from tidegate.specs.service import model_service

PARENT = Parent("m", "demo", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})


def a_comparer(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "stable": ComparedArm("m-1", ["10.0.0.2", "10.0.0.1"]),
        "candidate": ComparedArm("m-2", ["10.0.0.3"]),
        "tolerance": 1e-6,
        "image": "image:1",
        **changes,
    }
    return comparer(PARENT, **given)


def selects(wanted: dict[str, str], found: dict[str, str]) -> bool:
    return wanted.items() <= found.items()


def test_no_selector_of_an_arm_or_of_the_model_matches_the_comparer_s_pods() -> None:
    template = a_comparer()["spec"]["template"]["metadata"]["labels"]
    for revision in ("m-1", "m-2"):
        assert not selects(selector("m", revision), template)
    for stable in (None, "m-1"):
        assert not selects(model_service(PARENT, stable=stable)["spec"]["selector"], template)


def test_its_own_selector_matches_its_pods_and_no_server_s() -> None:
    spec = a_comparer()["spec"]
    own = spec["selector"]["matchLabels"]
    assert selects(own, spec["template"]["metadata"]["labels"])
    assert not selects(own, labels("m", "m-1"))


def test_it_is_owned_by_the_model_and_there_is_one_at_a_time() -> None:
    obj = a_comparer()
    assert obj["metadata"]["name"] == comparer_name("m") == "m-comparer"
    assert obj["metadata"]["namespace"] == "demo"
    assert obj["metadata"]["ownerReferences"] == [PARENT.reference]
    assert obj["spec"]["replicas"] == 1
    assert obj["spec"]["strategy"] == {"type": "Recreate"}


def test_its_pods_meet_the_restricted_profile_and_hold_no_token() -> None:
    pod = a_comparer()["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() == {"memory"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_prometheus_finds_its_counters() -> None:
    template = a_comparer()["spec"]["template"]
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }
    (port,) = template["spec"]["containers"][0]["ports"]
    assert port["containerPort"] == METRICS_PORT


def test_what_it_is_told_is_what_the_comparer_reads() -> None:
    env = a_comparer()["spec"]["template"]["spec"]["containers"][0]["env"]
    given = {variable["name"]: variable.get("value", "10.0.0.9") for variable in env}
    settings = Settings.from_environment(given)
    assert (settings.namespace, settings.model, settings.tolerance) == ("demo", "m", 1e-6)
    assert settings.stable.hosts == ("10.0.0.1", "10.0.0.2")
    assert (settings.stable.revision, settings.candidate.revision) == ("m-1", "m-2")
    assert (settings.host, settings.port) == ("10.0.0.9", METRICS_PORT)
    assert settings.outputs_port == OUTPUTS_PORT


def test_it_is_replaced_when_the_pods_change_and_not_when_their_order_does() -> None:
    same = a_comparer(stable=ComparedArm("m-1", ["10.0.0.1", "10.0.0.2", "10.0.0.1"]))
    assert same == a_comparer()
    assert a_comparer(stable=ComparedArm("m-1", ["10.0.0.1"])) != a_comparer()


@pytest.mark.parametrize("tolerance", [0, 0.02, 1e-300])
def test_the_tolerance_arrives_as_it_is(tolerance: float) -> None:
    env = a_comparer(tolerance=tolerance)["spec"]["template"]["spec"]["containers"][0]["env"]
    (text,) = (v["value"] for v in env if v["name"] == "TIDEGATE_TOLERANCE")
    assert float(text) == tolerance
