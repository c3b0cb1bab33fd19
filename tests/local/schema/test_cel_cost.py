"""What an expression could cost is known before it runs."""

from __future__ import annotations

import pytest

from tidegate.local.schema.cel_cost import EXCEEDED, TooExpensive, check_cost
from tidegate.local.schema.structural import validate

SMALL = {"l": ["x"] * 10}
LARGE = {"l": ["x"] * 3000}


@pytest.mark.parametrize(
    "expression",
    [
        "self.l == self.l",
        "self.l.all(x, x == 'x')",
        "self.l.all(x, x == 'x') && self.l.exists(y, y == 'x')",
        "self.l.size() < 5 || self.l.filter(x, x != 'y').all(x, x == 'x')",
        "size('self.l.all(a, self.l.all(b, a == b))') > 0",
    ],
)
def test_one_walk_over_anything_can_be_paid_for(expression: str) -> None:
    check_cost(expression, LARGE)


@pytest.mark.parametrize(
    "expression",
    [
        "self.l.all(a, self.l.all(b, a == b))",
        "self.l.all(a, self.l.exists(b, self.l.exists_one(c, c == a)))",
        "self.l.map(a, self.l.map(b, b)).flatten().all(c, c == 'x')",
        "self.l.all(a, self.l.indexOf(a) >= 0)",
    ],
)
def test_loops_in_loops_are_paid_for_by_what_they_walk_over(expression: str) -> None:
    check_cost(expression, SMALL)
    with pytest.raises(TooExpensive, match=EXCEEDED):
        check_cost(expression, LARGE)


def test_a_long_text_counts_as_much_as_a_long_list() -> None:
    expression = "self.t.split('').all(a, self.t.split('').all(b, a == b))"
    check_cost(expression, {"t": "abc"})
    with pytest.raises(TooExpensive):
        check_cost(expression, {"t": "x" * 3000})


def test_a_rule_of_a_schema_is_not_run_on_what_it_could_not_bear() -> None:
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "items": {"type": "string"}}},
        "x-kubernetes-validations": [{"rule": "self.l.all(a, self.l.all(b, a == b))"}],
    }
    assert validate(schema, SMALL) == []
    (found,) = validate(schema, LARGE)
    assert EXCEEDED in found.message
