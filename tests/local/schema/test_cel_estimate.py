"""Rules that a real server would refuse for what they may cost, and rules that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.schema.cel_estimate import check_costs, least_cost

LIST = {"type": "array", "items": {"type": "string"}}
OBJECT = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "s": {"type": "string"},
        "free": LIST,
        "few": {**LIST, "maxItems": 10},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "rows": {"type": "array", "maxItems": 100, "items": {"type": "object", "properties": {
            "cells": LIST}}},
    },
}  # fmt: skip


def rule(text: str, schema: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    return {**(schema or OBJECT), "x-kubernetes-validations": [{"rule": text, **more}]}


@pytest.mark.parametrize(
    ("expression", "least"),
    [
        ("self.n > 0", 1),
        ("self.few.all(x, x != '')", 10),
        ("self.few.all(x, self.few.exists(y, x == y))", 100),
        ("self.few.all(x, true) && self.few.all(y, true)", 10),
        ("self.free.all(x, x != '')", (3 * 1024 * 1024 - 2) // 3),
        ("self.rows.all(r, r.cells.all(c, c != ''))", 100 * ((3 * 1024 * 1024 - 2) // 3)),
        ("self.map.all(k, k != '')", (3 * 1024 * 1024 - 2) // 7),
    ],
)
def test_a_rule_costs_at_least_what_its_innermost_loop_runs(expression: str, least: float) -> None:
    assert least_cost(expression, OBJECT) == least


@pytest.mark.parametrize(
    "text",
    [
        "self.free.all(x, x != '')",
        "self.free.all(x, self.few.exists(y, x == y))",
        "self.s + 'x' != 'y'",
        "string(self.n) != '1'",
    ],
)
def test_a_rule_near_the_budget_is_taken(text: str) -> None:
    assert check_costs(rule(text), "schema") == []


def test_a_loop_in_a_loop_over_lists_without_a_bound_is_refused() -> None:
    found = check_costs(rule("self.free.all(x, self.free.all(y, x == y))"), "schema")
    assert [p.field for p in found] == [
        "schema.x-kubernetes-validations[0].rule",
        "schema.x-kubernetes-validations[0].rule",
        "schema",
    ]
    assert "exceeds budget by factor of more than 100x" in found[0].message


def test_a_message_of_unknown_length_is_refused() -> None:
    found = check_costs(rule("self.n > 0", messageExpression="'n is ' + string(self.n)"), "schema")
    assert found[0].field == "schema.x-kubernetes-validations[0].messageExpression"
    assert found[0].message.startswith("Forbidden: estimated messageExpression cost")


def test_a_rule_counts_as_often_as_what_it_stands_on() -> None:
    inner = rule("self.few.all(x, self.few.all(y, self.free.all(z, true)))")
    assert check_costs(inner, "schema") == []
    outer = {"type": "object", "properties": {"all": {"type": "array", "items": inner}}}
    assert check_costs(outer, "schema")
