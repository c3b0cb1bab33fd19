"""What the translation looks at: the objects of one moment, indexed. Decides nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Obj = dict[str, Any]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def namespace_of(obj: Mapping[str, Any]) -> str:
    """The namespace of an object, `""` when it is cluster-wide."""
    return str(obj["metadata"].get("namespace") or "")


def name_of(obj: Mapping[str, Any]) -> str:
    """The name of an object."""
    return str(obj["metadata"]["name"])


def age_key(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """Sorts older objects first, then by namespace and name: how Gateway API breaks ties."""
    created = str(obj["metadata"].get("creationTimestamp") or "")
    return created, namespace_of(obj), name_of(obj)


@dataclass(frozen=True)
class Snapshot:
    """Every object that the gateway reads, at one moment."""

    gateway_classes: tuple[Obj, ...] = ()
    gateways: tuple[Obj, ...] = ()
    routes: tuple[Obj, ...] = ()
    services: tuple[Obj, ...] = ()
    slices: tuple[Obj, ...] = ()
    namespaces: tuple[Obj, ...] = ()
    _services: dict[tuple[str, str], Obj] = field(init=False, repr=False, compare=False)
    _slices: dict[tuple[str, str], list[Obj]] = field(init=False, repr=False, compare=False)
    _labels: dict[str, dict[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_service: dict[tuple[str, str], list[Obj]] = defaultdict(list)
        for item in self.slices:
            service = (item["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL)
            if service:
                by_service[namespace_of(item), service].append(item)
        services = {(namespace_of(s), name_of(s)): s for s in self.services}
        labels = {name_of(n): dict(n["metadata"].get("labels") or {}) for n in self.namespaces}
        object.__setattr__(self, "_services", services)
        object.__setattr__(self, "_slices", by_service)
        object.__setattr__(self, "_labels", labels)

    def service(self, namespace: str, name: str) -> Obj | None:
        """The Service of that name, if it exists."""
        return self._services.get((namespace, name))

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """Labels of a namespace; its name is always among them, as on a real API server."""
        return {"kubernetes.io/metadata.name": namespace, **self._labels.get(namespace, {})}

    def endpoints(
        self, namespace: str, service: str, port_name: str
    ) -> tuple[tuple[str, int], ...]:
        """Addresses and ports of a Service's ready endpoints, sorted, without repetition.

        An endpoint that says nothing of its readiness is ready; one that terminates is not.
        """
        found: set[tuple[str, int]] = set()
        for item in self._slices.get((namespace, service), ()):
            ports = [
                p["port"] for p in item.get("ports") or () if (p.get("name") or "") == port_name
            ]
            for endpoint in item.get("endpoints") or ():
                if _is_ready(endpoint):
                    found.update((a, port) for a in endpoint["addresses"] for port in ports if port)
        return tuple(sorted(found))


def _is_ready(endpoint: Mapping[str, Any]) -> bool:
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False and not conditions.get("terminating")


def matches_selector(selector: Mapping[str, Any], labels: Iterable[tuple[str, str]]) -> bool:
    """Whether a LabelSelector (matchLabels and matchExpressions) selects these labels."""
    have = dict(labels)
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(have.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression_holds(e, have) for e in selector.get("matchExpressions") or ())


def _expression_holds(expression: Mapping[str, Any], have: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    values = expression.get("values") or ()
    match operator:
        case "In":
            return key in have and have[key] in values
        case "NotIn":
            return have.get(key) not in values
        case "Exists":
            return key in have
        case "DoesNotExist":
            return key not in have
    return False
