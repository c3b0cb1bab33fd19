"""A Service's slices name the pods that answer for it, and stop to do so before a pod ends."""

from __future__ import annotations

from typing import Any

from tidegate.local.workloads.endpointslice import same_slice, slices


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "demo", "uid": "u", "labels": {"team": "a"}},
        "spec": {"clusterIP": "127.128.0.2", "ports": ports, **spec},
    }


def pod(
    name: str,
    ip: str = "127.64.0.1",
    *,
    ready: bool = True,
    leaving: bool = False,
    port: int = 8080,
    phase: str = "Running",
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo", "uid": f"uid-{name}"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-11-23T13:00:00Z"
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": "local",
            "containers": [{"ports": [{"name": "web", "containerPort": port}]}],
        },
        "status": {
            "phase": phase,
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def test_a_ready_pod_is_a_ready_endpoint_on_its_named_port() -> None:
    [found] = slices(service(), [pod("a")])
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    [endpoint] = found["endpoints"]
    assert endpoint["addresses"] == ["127.64.0.1"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert endpoint["targetRef"]["uid"] == "uid-a"
    assert found["metadata"]["labels"] == {
        "team": "a",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "s",
    }
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"


def test_a_pod_that_is_going_away_is_not_ready_although_it_still_serves() -> None:
    [found] = slices(service(), [pod("a", leaving=True)])
    [endpoint] = found["endpoints"]
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}


def test_a_service_may_ask_for_pods_that_are_not_ready() -> None:
    [found] = slices(service(publishNotReadyAddresses=True), [pod("a", ready=False)])
    assert found["endpoints"][0]["conditions"]["ready"]


def test_pods_without_an_address_and_finished_ones_are_left_out() -> None:
    [found] = slices(service(), [pod("a", ip=""), pod("b", phase="Failed")])
    assert found["endpoints"] == []


def test_pods_that_number_a_port_differently_get_slices_of_their_own() -> None:
    found = slices(service(), [pod("a"), pod("b", ip="127.64.0.2", port=9090)])
    assert [one["ports"][0]["port"] for one in found] == [8080, 9090]
    assert len({one["metadata"]["name"] for one in found}) == 2


def test_a_slice_that_says_it_already_is_recognized() -> None:
    [found] = slices(service(), [pod("a")])
    live = {**found, "metadata": {**found["metadata"], "resourceVersion": "7"}}
    assert same_slice(live, found)
    [unready] = slices(service(), [pod("a", ready=False)])
    assert not same_slice(live, unready)


def test_a_headless_service_is_labelled() -> None:
    [found] = slices(service(clusterIP="None"), [])
    assert found["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
