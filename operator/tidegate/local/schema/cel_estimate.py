"""Refuses CEL rules that cost too much, when their schema is accepted. Pure.

A real server estimates the worst cost of every rule from the sizes that the schema allows. This
takes a lower bound of that: how often the innermost loop runs, and texts of unknown length that are
put together. What it refuses, a real server refuses; what is nearer to the budget it lets pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING, Any

from tidegate.local.schema import causes, cel
from tidegate.local.schema.cel_tokens import Token, closing, tokens_of
from tidegate.local.schema.cel_values import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.schema.causes import Problem

# The largest request that a server takes bounds whatever a schema leaves unbounded.
_LARGEST_REQUEST = 3 * 1024 * 1024
# A hundred times the budget of a whole schema: beyond it there is no doubt.
_NO_DOUBT = 100 * 100_000_000
_MOST_NAMED = 4
_MACROS = ("all", "exists", "exists_one", "map", "filter")
_ADVICE = (
    "exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, "
    "maxProperties, and maxLength where arrays, maps, and strings are declared)"
)
_TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
_CONTRIBUTED = (
    "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
)


@dataclass(frozen=True)
class _Scope:
    """A loop: where it ends, its variable with what that is, and how often it runs."""

    end: int
    name: str
    node: dict[str, Any] | None
    times: float


def check_costs(schema: dict[str, Any], path: str) -> list[Problem]:
    """What is too expensive in a whole schema."""
    costly = list(_costly(schema, path, 1, root=True))
    if not costly:
        return []
    found = [causes.forbidden(where, f"estimated {what} cost {_ADVICE}") for where, what in costly]
    found += [causes.forbidden(where, _CONTRIBUTED) for where, _ in costly[:_MOST_NAMED]]
    return [*found, causes.forbidden(path, f"{_TOTAL} {_ADVICE}")]


def _costly(
    schema: dict[str, Any], path: str, times: float, *, root: bool = False
) -> Iterator[tuple[str, str]]:
    """Where an expression stands that costs too much, and what it is."""
    node = {**schema, "properties": properties_of(schema, root=root)} if root else schema
    for index, rule in enumerate(schema.get(cel.RULES) or ()):
        for name, what in (("messageExpression", "messageExpression"), ("rule", "rule")):
            expression = str(rule.get(name) or "").strip()
            if expression and times * least_cost(expression, node) > _NO_DOUBT:
                yield f"{path}.{cel.RULES}[{index}].{name}", what
    for name, below in (schema.get("properties") or {}).items():
        yield from _costly(below, f"{path}.properties[{name}]", times)
    others, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(others, dict):
        yield from _costly(others, f"{path}.additionalProperties", times * _most(schema))
    if isinstance(items, dict):
        yield from _costly(items, f"{path}.items", times * _most(schema))


def least_cost(expression: str, schema: dict[str, Any]) -> float:
    """A lower bound of what an expression on `self` costs; infinite when it cannot be bounded."""
    tokens = tokens_of(expression)
    if _joins_unknown(tokens, schema):
        return inf
    scopes: list[_Scope] = []
    most = 1.0
    for index, token in enumerate(tokens):
        if token.kind != "name" or (index and tokens[index - 1].text == "."):
            continue
        bound = [s.node for s in scopes if s.name == token.text and s.end > index]
        node = bound[-1] if bound else schema if token.text in ("self", "oldSelf") else None
        loop = _loop(tokens, index + 1, node)
        if loop is not None:
            around = prod(s.times for s in scopes if s.end > index)
            most = max(most, around * loop.times)
            scopes.append(loop)
    return most


def _joins_unknown(tokens: list[Token], schema: dict[str, Any]) -> bool:
    """Whether texts are joined of which one is made of a number: nobody knows its length."""
    texts = [t.text for t in tokens]
    for index in range(len(texts) - 2):
        if texts[index : index + 3] != ["string", "(", "self"]:
            continue
        end = closing(tokens, index + 1)
        joined = texts[index - 1 : index] == ["+"] or texts[end + 1 : end + 2] == ["+"]
        if joined and _is_number(tokens[index + 3 : end], schema):
            return True
    return False


def _is_number(path: list[Token], node: dict[str, Any] | None) -> bool:
    """Whether `.a.b` leads from a node to a number."""
    for token in path:
        if token.text != ".":
            node = properties_of(node or {}).get(token.text)
    return (node or {}).get("type") in ("integer", "number")


def _loop(tokens: list[Token], index: int, node: dict[str, Any] | None) -> _Scope | None:
    """The loop over what a path leads to from a node, if that is what follows."""
    while node is not None and index + 1 < len(tokens) and tokens[index].text == ".":
        name = tokens[index + 1].text
        if index + 2 < len(tokens) and tokens[index + 2].text == "(":
            if name not in _MACROS:
                return None
            variable = tokens[index + 3].text if index + 3 < len(tokens) else ""
            return _Scope(closing(tokens, index + 2), variable, node.get("items"), _most(node))
        node, index = properties_of(node).get(name), index + 2
    return None


def _most(schema: dict[str, Any]) -> float:
    """How many members a list or map can have at most."""
    items, others = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, dict):
        bound, one = schema.get("maxItems"), _shortest(items) + 1
    elif isinstance(others, dict):
        # The key has two quotation marks, a colon and a comma at least.
        bound, one = schema.get("maxProperties"), _shortest(others) + 6
    else:
        return 1
    return float(bound if bound is not None else (_LARGEST_REQUEST - 2) // one)


def _shortest(schema: dict[str, Any]) -> int:
    """The bytes that a value takes at least, as JSON."""
    required = schema.get("required") or ()
    properties = schema.get("properties") or {}
    members = (len(n) + 4 + _shortest(properties.get(n) or {}) for n in required)
    return {"string": 2, "boolean": 4, "array": 2, "object": 2 + sum(members)}.get(
        str(schema.get("type")), 1
    )
