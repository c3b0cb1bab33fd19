"""What a user applies in these tests: namespaces, a gateway, Models and Rollouts, as documents."""

from __future__ import annotations

from typing import Any

type Obj = dict[str, Any]

GATEWAY_NAMESPACE = "edge"
SIGNATURE: Obj = {
    "inputs": [{"name": "temp", "type": "FP64"}, {"name": "wind", "type": "FP64"}],
    "outputs": [{"name": "probability", "type": "FP64"}],
}
# Nobody's errors are within this by chance: an arm fails for a third of its requests or for none.
ERRORS: Obj = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 2, "absolute": 0.1}}
# The slow version takes many times what the others take, so the factor leaves room for a busy host.
LATENCY: Obj = {"name": "latency", "type": "Latency", "quantiles": [0.5], "margin": {"ratio": 3}}


def namespace(name: str) -> list[Obj]:
    """A namespace that Models may live in: with the claim that keeps their artifacts."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        volume_claim(name, "tidegate-cache"),
    ]


def volume_claim(where: str, name: str) -> Obj:
    """A PersistentVolumeClaim of a namespace."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def secret(where: str, name: str, **values: str) -> Obj:
    """A Secret of a namespace, that may be sent to servers on this machine."""
    hosts = {"tidegate.dev/hosts": "127.0.0.1"}
    metadata = {"name": name, "namespace": where, "annotations": hosts}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def gateway(port: int) -> Obj:
    """The one gateway, for Models of every namespace."""
    listener: Obj = {"name": "http", "protocol": "HTTP", "port": port}
    listener["allowedRoutes"] = {"namespaces": {"from": "All"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": GATEWAY_NAMESPACE},
        "spec": {"gatewayClassName": "tidegate", "listeners": [listener]},
    }


def hostname(name: str) -> str:
    """The hostname of a namespace's Model."""
    return f"{name}.example"


def model(
    where: str,
    uri: str,
    *,
    delivery: str = "Rollout",
    name: str = "weather",
    host: str | None = None,
    env: dict[str, str] | None = None,
    **artifact: Any,
) -> Obj:
    """The Model of a namespace, reached under the namespace's hostname unless `host` is given."""
    runtime: Obj = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}
    if env:
        runtime["env"] = [{"name": key, "value": value} for key, value in env.items()]
    parent = {"name": "public", "namespace": GATEWAY_NAMESPACE}
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "delivery": delivery,
            "artifact": {"uri": uri, "format": "sklearn-skops", "pollInterval": "1h", **artifact},
            "runtime": {"v2": runtime},
            "traffic": {
                "gatewayAPI": {"parentRefs": [parent], "hostnames": [host or hostname(where)]}
            },
            "signature": SIGNATURE,
        },
    }


def rollout(
    where: str, *steps: tuple[int, str], metrics: tuple[Obj, ...] = (ERRORS,), name: str = "weather"
) -> Obj:
    """A Rollout of the namespace's Model: steps of (weight, duration)."""
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "modelRef": {"name": "weather"},
            "strategy": {
                "canary": {"steps": [{"weight": weight, "duration": d} for weight, d in steps]}
            },
            "analysis": {
                "interval": "1s",
                "warmup": "1s",
                "minRequests": 100,
                "metrics": list(metrics),
            },
            "rollbackWindow": {"duration": "5m"},
        },
    }


def condition(obj: Obj, type_: str) -> Obj:
    """A condition of an object; an empty one while it is not there."""
    conditions: list[Obj] = obj.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == type_), {})
