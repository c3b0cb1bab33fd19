"""Who may connect to a Model's pods."""

from __future__ import annotations

from typing import Any

from tidegate.specs.metadata import MODEL_LABEL, Parent
from tidegate.specs.network_policy import Callers, network_policy

PARENT = Parent("m", "demo", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})


def rules(callers: Callers) -> dict[str, Any]:
    spec = network_policy(PARENT, callers)["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert spec["podSelector"]["matchLabels"][MODEL_LABEL] == "m"
    return {rule["ports"][0]["port"]: rule.get("from") for rule in spec["ingress"]}


def namespaces(peers: list[dict[str, Any]]) -> list[str]:
    return [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in peers
    ]


def test_everybody_may_ask_and_count_and_only_the_comparer_sees_answers_of_others() -> None:
    found = rules(Callers(operator="tidegate-system"))
    assert (found["http"], found["metrics"]) == (None, None)
    (comparer,) = found["outputs"]
    assert comparer["podSelector"]["matchLabels"] == {
        MODEL_LABEL: "m",
        "app.kubernetes.io/component": "comparer",
    }


def test_where_gateways_are_named_the_models_own_namespace_and_the_operator_may_ask_too() -> None:
    found = rules(
        Callers(gateways=("edge",), prometheus=("monitoring",), operator="tidegate-system")
    )
    assert namespaces(found["http"]) == ["demo", "edge", "tidegate-system"]
    assert namespaces(found["metrics"]) == ["monitoring"]


def test_it_belongs_to_the_model_and_goes_with_it() -> None:
    metadata = network_policy(PARENT, Callers())["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("m", "demo")
    assert metadata["ownerReferences"] == [PARENT.reference]
