"""Services: one for each live revision, and one named after the Model that selects stable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.specs.metadata import NOTHING, child, selector

if TYPE_CHECKING:
    from tidegate.specs.metadata import Object, Parent

PORT = 80


def revision_service(parent: Parent, *, revision: str) -> Object:
    """The Service of one revision, behind the route."""
    obj = child(parent, api_version="v1", kind="Service", name=revision, revision=revision)
    obj["spec"] = _spec(selector(parent.name, revision))
    return obj


def model_service(parent: Parent, *, stable: str | None) -> Object:
    """The Service for callers inside the cluster: always stable, past any canary."""
    obj = child(parent, api_version="v1", kind="Service", name=parent.name)
    obj["spec"] = _spec(selector(parent.name, stable or NOTHING))
    return obj


def _spec(selects: dict[str, str]) -> Object:
    port = {"name": "http", "port": PORT, "protocol": "TCP", "targetPort": "http"}
    return {"type": "ClusterIP", "selector": selects, "ports": [port]}
