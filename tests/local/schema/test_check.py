"""What a CRD's schema is refused for; paths and texts are those of a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.schema.check import check_structural

_ROOT = "spec.validation.openAPIV3Schema"
_SPEC = f"{_ROOT}.properties[spec]"


def problems(spec: dict[str, Any]) -> list[tuple[str, str]]:
    schema = {"type": "object", "properties": {"spec": spec}}
    return [(one.field, one.message) for one in check_structural(schema)]


def test_a_structural_schema_has_no_problem() -> None:
    assert problems({"type": "object", "properties": {"a": {"type": "string"}}}) == []


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            {"properties": {"a": {"type": "string"}}},
            ".type",
            "Required value: must not be empty for specified object fields",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}},
            ".properties[a].default",
            'Invalid value: "string":  in body must be of type integer: "string"',
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "a(?=b)"}}},
            ".properties[a].pattern",
            (
                'Invalid value: "a(?=b)": must be a valid regular expression, but isn\'t: '
                "error parsing regexp: invalid or unsupported Perl syntax: `a(?=b)`"
            ),
        ),
        ({"type": "array"}, ".items", "Required value: must be specified"),
        (
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            ".uniqueItems",
            (
                "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
                "quadratic"
            ),
        ),
        (
            {"type": "object", "additionalProperties": False},
            ".additionalProperties",
            "Forbidden: additionalProperties cannot be set to false",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": {"type": "string"},
            },
            ".additionalProperties",
            "Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}},
            ".default",
            'Invalid value: {"b":1}: must be a value without unknown fields',
        ),
        (
            {
                "type": "array",
                "items": {"type": "object", "properties": {"n": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["n"],
            },
            ".items.properties[n].default",
            (
                "Required value: this property is in x-kubernetes-list-map-keys, so it must have a "
                "default or be a required property"
            ),
        ),
        (
            {"type": "string", "anyOf": [{"type": "string"}]},
            ".anyOf[0].type",
            "Forbidden: must be empty to be structural",
        ),
    ],
)
def test_a_schema_that_cannot_be_served_is_refused(
    spec: dict[str, Any], field: str, message: str
) -> None:
    assert problems(spec) == [(_SPEC + field, message)]


@pytest.mark.parametrize(
    ("root", "field"),
    [
        ({"additionalProperties": {"type": "string"}}, ".additionalProperties"),
        (
            {"properties": {"metadata": {"type": "object", "properties": {"labels": {}}}}},
            ".properties[metadata]",
        ),
        ({"properties": {"kind": {"type": "integer"}}}, ".properties[kind].type"),
    ],
)
def test_a_root_may_only_limit_names(root: dict[str, Any], field: str) -> None:
    fields = [one.field for one in check_structural({"type": "object", **root})]
    assert _ROOT + field in fields


def test_int_or_string_may_be_written_as_generators_do() -> None:
    both = [{"type": "integer"}, {"type": "string"}]
    marked: dict[str, Any] = {"x-kubernetes-int-or-string": True, "anyOf": both}
    assert problems({"type": "object", "properties": {"a": marked}}) == []


def test_a_root_that_is_no_object_is_refused() -> None:
    assert [one.field for one in check_structural({"type": "string"})] == [f"{_ROOT}.type"]
    assert [one.reason for one in check_structural({})] == ["FieldValueRequired"]


def test_an_undeclared_field_in_a_rule_is_found_when_the_schema_is_accepted() -> None:
    spec = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.nope == 1"}],
    }
    shown = (
        '{"Rule":"self.nope == 1","Message":"","MessageExpression":"","Reason":null,'
        '"FieldPath":"","OptionalOldSelf":null}'
    )
    assert problems(spec) == [
        (
            f"{_SPEC}.x-kubernetes-validations[0].rule",
            (
                f"Invalid value: {shown}: compilation failed: ERROR: <input>:1:5: undefined field "
                "'nope'\n | self.nope == 1\n | ....^"
            ),
        )
    ]
