"""Turns the pydantic models of the kinds into CustomResourceDefinitions.

Owns the transformation from JSON Schema to the structural schema that an API server accepts, and
what stands around it (names, printer columns). It must not know what any field means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.api.base import GROUP, NAME_LIMIT, VERSION
from tidegate.api.model import Model
from tidegate.api.rollout import Rollout

if TYPE_CHECKING:
    from pydantic import BaseModel

type Json = dict[str, Any]

_DROPPED = frozenset({"title", "examples", "propertyNames", "deprecated", "discriminator", "const"})


@dataclass(frozen=True)
class Column:
    """A printer column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""

    def wire(self) -> Json:
        """As it stands in the CustomResourceDefinition."""
        column: Json = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.priority:
            column["priority"] = self.priority
        return column


@dataclass(frozen=True)
class Kind:
    """One of our kinds: its model, its names, what `kubectl get` shows of it."""

    model: type[BaseModel]
    kind: str
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    rules: tuple[tuple[str, str], ...] = field(default=())


def _condition(type_: str, attribute: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{attribute}'


KINDS: tuple[Kind, ...] = (
    Kind(
        model=Model,
        kind="Model",
        plural="models",
        short_name="tgm",
        columns=(
            Column("Stable", ".status.delivery.stable", description="The revision that serves."),
            Column("Candidate", ".status.delivery.candidate", description="The one being tried."),
            Column("Ready", _condition("Ready")),
            Column("Reason", _condition("Ready", "reason")),
            Column("Available", _condition("Available"), priority=1),
            Column("Artifact", ".spec.artifact.uri", priority=1),
            Column(
                "Version",
                ".status.resolved.version",
                priority=1,
                description="What the artifact was last resolved to.",
            ),
            Column("Gates", _condition("GatesPassed", "reason"), priority=1),
            Column("Approved", _condition("Approved", "reason"), priority=1),
            Column("Endpoint", ".status.endpoint", priority=1),
            Column("Age", ".metadata.creationTimestamp", type="date"),
        ),
    ),
    Kind(
        model=Rollout,
        kind="Rollout",
        plural="rollouts",
        short_name="tgr",
        columns=(
            Column("Model", ".spec.modelRef.name"),
            Column("Phase", ".status.phase"),
            Column("Weight", '.status.arms[?(@.name=="candidate")].weight', type="integer"),
            Column("Stable", '.status.arms[?(@.name=="stable")].revision', priority=1),
            Column("Candidate", '.status.arms[?(@.name=="candidate")].revision'),
            Column("Hold", ".status.hold.reason"),
            Column("Ready", _condition("Ready")),
            Column("Reason", _condition("Ready", "reason"), priority=1),
            Column("Since", ".status.phaseSince", type="date"),
            Column("Age", ".metadata.creationTimestamp", type="date", priority=1),
        ),
    ),
)


def structural(model: type[BaseModel]) -> Json:
    """The structural OpenAPI v3 schema of a model: `$ref` inlined, unions and nulls resolved."""
    raw = model.model_json_schema(by_alias=True, mode="serialization")
    definitions: Json = raw.pop("$defs", {})
    return _node(raw, definitions)


def _node(schema: Json, definitions: Json) -> Json:
    """One schema node, transformed; siblings of a `$ref` win over what it refers to."""
    node = dict(schema)
    while "$ref" in node:
        target = definitions[node.pop("$ref").rsplit("/", 1)[-1]]
        node = {**target, **node}
    if "anyOf" in node:
        node = _without_null(node)
        return _node(node, definitions)
    if "const" in node:
        node["enum"] = [node["const"]]
    if node.get("default", ...) is None:
        del node["default"]
    if isinstance(node.get("default"), dict):
        # The server checks defaults by the schema, where a null has no place.
        node["default"] = {k: v for k, v in node["default"].items() if v is not None}
    _exclusive_bounds(node)
    if node.get("uniqueItems"):
        del node["uniqueItems"]
        node.setdefault("x-kubernetes-list-type", "set")
    if node.get("additionalProperties") in (True, False):
        free = node.pop("additionalProperties")
        if free:
            node["x-kubernetes-preserve-unknown-fields"] = True
    for name in _DROPPED & node.keys():
        del node[name]
    if "properties" in node:
        properties = {key: _node(sub, definitions) for key, sub in node["properties"].items()}
        node["properties"] = properties
        required = [k for k in node.get("required", ()) if "default" not in properties[k]]
        node.pop("required", None)
        if required:
            node["required"] = required
    if "items" in node:
        node["items"] = _node(node["items"], definitions)
    return node


def _without_null(node: Json) -> Json:
    """`anyOf: [T, null]` becomes T without a null default. Raises TypeError for another union."""
    members = [m for m in node.pop("anyOf") if m.get("type") != "null"]
    if len(members) != 1:
        raise TypeError(f"a structural schema has no unions, write one object a member: {members}")
    if node.get("default", ...) is None:
        del node["default"]
    return {**members[0], **node}


def _exclusive_bounds(node: Json) -> None:
    """JSON Schema 2020's numeric exclusive bounds, as OpenAPI v3.0 writes them."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node and not isinstance(node[exclusive], bool):
            node[bound] = node[exclusive]
            node[exclusive] = True


def _required_of_spec(schema: Json) -> Json:
    """In a spec, what has no default and is not optional is required; status fields never are."""
    properties = {
        "apiVersion": {
            "type": "string",
            "description": "The version of this representation of the object.",
        },
        "kind": {"type": "string", "description": "What the object is."},
        "metadata": {"type": "object"},
        "spec": schema["properties"]["spec"],
        "status": _relaxed(schema["properties"]["status"]),
    }
    properties["status"].pop("default", None)
    return {**schema, "type": "object", "properties": properties, "required": ["spec"]}


def _relaxed(schema: Json) -> Json:
    """A status schema without defaults: what is not said is absent.

    A default would make the API server own fields that no manager applied.
    """
    node = {k: v for k, v in schema.items() if k != "default"}
    if "properties" in node:
        node["properties"] = {k: _relaxed(v) for k, v in node["properties"].items()}
    if "items" in node:
        node["items"] = _relaxed(node["items"])
    return node


def definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of one of our kinds, as a JSON-ready dict."""
    schema = _required_of_spec(structural(kind.model))
    name_rule = {
        "rule": f"self.metadata.name.size() <= {NAME_LIMIT}",
        "message": f"metadata.name must be at most {NAME_LIMIT} characters: children append to it",
    }
    schema["x-kubernetes-validations"] = [
        name_rule,
        *({"rule": rule, "message": message} for rule, message in kind.rules),
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short_name],
                "categories": ["tidegate", "mlops"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [c.wire() for c in kind.columns],
                }
            ],
        },
    }
