"""The NetworkPolicy of a Model: who may ask its pods what.

The model's port is for whoever may ask the Model: everybody, or the gateways' namespaces, the
Model's own and the operator's, which replays golden requests. What others asked and were answered
is for the comparer alone. Nothing is said about where pods may connect to: artifacts are fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.specs.comparer import COMPONENT, COMPONENT_LABEL
from tidegate.specs.metadata import MODEL_LABEL, child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.specs.metadata import Object, Parent

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Callers:
    """Namespaces from where pods are asked. Empty ones for a port mean everybody.

    `operator` is the operator's own: it is let in where others are named.
    """

    gateways: tuple[str, ...] = ()
    prometheus: tuple[str, ...] = ()
    operator: str = ""


def network_policy(parent: Parent, callers: Callers) -> Object:
    """Who may connect to the pods of a Model's revisions, by the names of their ports."""
    obj = child(parent, api_version="networking.k8s.io/v1", kind="NetworkPolicy", name=parent.name)
    comparer = {"matchLabels": {MODEL_LABEL: parent.name, COMPONENT_LABEL: COMPONENT}}
    near = [parent.namespace, *([callers.operator] if callers.operator else [])]
    obj["spec"] = {
        "podSelector": {"matchLabels": {MODEL_LABEL: parent.name, COMPONENT_LABEL: "model-server"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            _rule("http", _from(callers.gateways, near=near)),
            _rule("metrics", _from(callers.prometheus, near=())),
            _rule("outputs", [{"podSelector": comparer}]),
        ],
    }
    return obj


def _rule(port: str, peers: list[Object]) -> Object:
    rule: Object = {"ports": [{"port": port, "protocol": "TCP"}]}
    return {**rule, "from": peers} if peers else rule


def _from(namespaces: Sequence[str], *, near: Sequence[str]) -> list[dict[str, Any]]:
    """Those namespaces and the ones that are always near; nobody is left out where none is
    named."""
    if not namespaces:
        return []
    return [
        {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: name}}}
        for name in sorted({*namespaces, *near})
    ]
