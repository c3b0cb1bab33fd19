"""CEL rules: what they can say, what they see, and what is found before they ever run."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.schema.cel import child_path, run_rules
from tidegate.local.schema.cel_check import check_rules, compile_error
from tidegate.local.schema.cel_functions import parse_quantity

_STRING: dict[str, Any] = {"type": "string"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": _INTEGER,
        "ratio": {"type": "number"},
        "text": _STRING,
        "list": {"type": "array", "items": _INTEGER},
        "names": {"type": "array", "items": _STRING},
        "map": {"type": "object", "additionalProperties": _INTEGER},
        "namespace": _STRING,
        "with-dash": _STRING,
        "dot.ted": _STRING,
        "at": {"type": "string", "format": "date-time"},
        "for": {"type": "string", "format": "duration"},
        "port": {"x-kubernetes-int-or-string": True},
        "rows": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": _STRING, "n": _INTEGER}},
        },
    },
}
_VALUE: dict[str, Any] = {
    "a": 2,
    "ratio": 2,
    "text": "Hello World",
    "list": [1, 2, 2, 3],
    "names": ["x", "y"],
    "map": {"one": 1, "two": 2},
    "namespace": "ns",
    "with-dash": "d",
    "dot.ted": "t",
    "at": "2026-01-02T03:04:05Z",
    "for": "1h30m",
    "port": 80,
    "rows": [{"name": "r", "n": 1}],
}


def messages(rule: str, value: Any = None, old: Any = None, **more: Any) -> list[str]:
    schema = {**_SCHEMA, "x-kubernetes-validations": [{"rule": rule, **more}]}
    found = run_rules(schema, _VALUE if value is None else value, old=old, path="spec")
    return [f"{one.field}: {one.message}" for one in found]


@pytest.mark.parametrize(
    "rule",
    [
        "self.a == 2 && self.ratio > 1.5",
        "has(self.text) && !has(self.list.size) || self.list.size() == 4",
        "self.text.matches('^Hello') && self.text.lowerAscii() == 'hello world'",
        "self.text.split(' ').size() == 2 && self.names.join('-') == 'x-y'",
        "self.text.substring(0, 5).upperAscii() == 'HELLO' && self.text.indexOf('o') == 4",
        "self.text.find('[A-Z]') == 'H' && self.text.findAll('[A-Z]') == ['H', 'W']",
        "self.list.isSorted() && self.list.sum() == 8",
        "self.list.min() == 1 && self.list.max() == 3",
        "self.list.indexOf(2) == 1 && self.list.lastIndexOf(2) == 2",
        "self.list.all(x, x > 0) && self.list.exists(x, x == 3)",
        "self.list.filter(x, x > 1).map(x, x * 2) == [4, 4, 6]",
        "self.map.all(k, self.map[k] > 0) && 'one' in self.map",
        "self.__namespace__ == 'ns' && self.with__dash__dash == 'd' && self.dot__dot__ted == 't'",
        "self.at < timestamp('2026-02-01T00:00:00Z') && self.at.getFullYear() == 2026",
        "self.__for__ == duration('90m')",
        "type(self.port) == int ? self.port == 80 : self.port == 'http'",
        "quantity('1.5Gi').isGreaterThan(quantity('1G')) && quantity('1Ki') == quantity('1024')",
        "quantity('250m').add(quantity('0.75')).asInteger() == 1 && isQuantity('2Mi')",
        "isURL('https://a.b:80/c?x=1') && url('https://a.b:80/c').getHost() == 'a.b:80'",
        "url('https://a.b:80/c').getPort() == '80' && !isURL('a b')",
        "isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
        "'%s has %d'.format([self.text, self.a]) == 'Hello World has 2'",
        "math.greatest(self.list) == 3 && sets.contains(self.list, [1])",
        "self.rows.all(r, r.n == 1 && r.name == 'r')",
        "self.?text.orValue('') == 'Hello World' && !self.?at.?none.hasValue() || true",
        "self.map[?'none'].orValue(7) == 7 && self.list[?0].value() == 1",
        "self.rows[?0].n.orValue(0) == 1 && !self.rows[?9].n.hasValue()",
        "self.?a.optMap(x, x + 1).orValue(0) == 3",
        "cel.bind(n, self.a + 1, [n, n].size() == 2 && n == 3)",
        "'a.?b' == \"a.?b\"",
    ],
)
def test_a_rule_that_holds_refuses_nothing(rule: str) -> None:
    assert messages(rule) == []


def test_a_rule_without_a_message_is_quoted() -> None:
    assert messages(" self.a > 5 ") == ["spec: Invalid value: failed rule: self.a > 5"]


def test_a_message_expression_that_fails_falls_back_to_the_message() -> None:
    assert messages("self.a > 5", messageExpression="self.map['none']", message="too small") == [
        "spec: Invalid value: too small"
    ]


def test_the_reason_and_field_path_of_a_rule_are_used() -> None:
    more = {"message": "missing", "reason": "FieldValueRequired", "fieldPath": ".rows"}
    assert messages("false", **more) == ["spec.rows: Required value: missing"]
    assert child_path(".a['b.c'].d", "spec") == ".a.b.c.d"


def test_a_rule_that_cannot_be_evaluated_refuses_and_says_why() -> None:
    assert messages("self.map['none'] == 1") == [
        "spec: Invalid value: \"object\": no such key: none evaluating rule: self.map['none'] == 1"
    ]
    assert "division by zero" in messages("1 / (self.a - 2) == 1")[0]


def test_a_transition_rule_needs_an_old_value_unless_it_is_optional() -> None:
    rule = "self.a >= oldSelf.a"
    assert messages(rule) == []
    assert messages(rule, old={**_VALUE, "a": 3}) != []
    optional = "!oldSelf.hasValue() || self.a >= oldSelf.value().a"
    assert messages(optional, optionalOldSelf=True) == []
    assert messages(optional, old={**_VALUE, "a": 3}, optionalOldSelf=True) != []


def test_old_items_are_found_by_their_key() -> None:
    rows = {
        **_SCHEMA["properties"]["rows"],
        "items": {
            "type": "object",
            "properties": {"name": _STRING, "n": _INTEGER},
            "x-kubernetes-validations": [{"rule": "self.n >= oldSelf.n", "message": "shrinks"}],
        },
    }
    old = [{"name": "a", "n": 1}, {"name": "b", "n": 5}]
    new = [{"name": "b", "n": 4}, {"name": "a", "n": 1}, {"name": "c", "n": 0}]
    assert [one.field for one in run_rules(rows, new, old=old, path="rows")] == ["rows[0]"]


def test_the_root_sees_its_name() -> None:
    schema = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.metadata.name.size() < 4", "message": "long"}],
    }
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "abcd"}}
    assert [one.message for one in run_rules(schema, obj)] == ["Invalid value: long"]


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("self.nope == 1", "1:5: undefined field 'nope'"),
        ("self.rows.all(r, r.zz > 1)", "undefined field 'zz'"),
        ("self.rows[0].zz > 1", "undefined field 'zz'"),
        ("oldSelf.nope == self.a", "undefined field 'nope'"),
        ("self.text.frob()", "undeclared reference to 'frob' (in container '')"),
        ("other == 1", "1:1: undeclared reference to 'other'"),
        ("self.a >", "Syntax error: mismatched input '<EOF>'"),
        ("self.text.foo == 'x'", "undefined field 'foo'"),
        ("self.?nope.hasValue()", "1:5: undefined field 'nope'"),
        ("self.list.all(i, v, v > i)", "undeclared reference to 'v'"),
    ],
)
def test_a_rule_that_could_never_work_does_not_compile(rule: str, part: str) -> None:
    assert part in str(compile_error(rule, _SCHEMA))


@pytest.mark.parametrize(
    "rule",
    [
        "self.map.x == 1",
        "self.list.map(nope, nope + 1).size() == 1",
        "'self.nope' == self.text // self.nope",
        "has(self.text) && self.port == 'a'",
        "self.names.exists(n, self.rows.exists(r, r.name == n))",
    ],
)
def test_what_looks_like_an_undeclared_field_and_is_none_compiles(rule: str) -> None:
    assert compile_error(rule, _SCHEMA) is None


def test_a_rule_must_be_there_and_its_reason_known() -> None:
    schema = {
        **_SCHEMA,
        "x-kubernetes-validations": [{"rule": " "}, {"rule": "true", "reason": "X"}],
    }
    found = check_rules(schema, "s", root=False, fixed=True)
    assert [one.field for one in found] == [
        "s.x-kubernetes-validations[0].rule",
        "s.x-kubernetes-validations[1].reason",
    ]


def test_an_old_value_cannot_be_asked_for_where_items_have_no_identity() -> None:
    schema = {**_STRING, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    found = check_rules(schema, "s", root=False, fixed=False)
    assert "uncorrelatable" in found[0].message


def test_quantities_are_numbers_with_suffixes() -> None:
    assert parse_quantity("1.5Gi") == 1610612736
    assert parse_quantity("100m") * 10 == 1
    assert parse_quantity("1e3") == 1000
    with pytest.raises(ValueError, match="suffix"):
        parse_quantity("1 GB")
