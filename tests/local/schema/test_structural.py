"""The texts and reasons are those of a real API server, taken from recordings."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.local.schema.causes import UNCHECKED, summary
from tidegate.local.schema.structural import default, prune, unknown_fields_message, validate

_STRING: dict[str, Any] = {"type": "string"}
_SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "enum": ["red", "green", "blue"], "default": "red"},
        "replicas": {"type": "integer", "default": 1},
        "minReplicas": {"type": "integer"},
        "name": {
            "type": "string",
            "pattern": "^[a-z]+$",
            "maxLength": 10,
            "x-kubernetes-validations": [
                {
                    "rule": "self != 'forbidden'",
                    "messageExpression": "'the name ' + self + ' is taken'",
                }
            ],
        },
        "fixed": {
            "type": "string",
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "fixed is immutable"}
            ],
        },
        "tags": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "maxItems": 3,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name", "port"],
                "properties": {
                    "name": _STRING,
                    "port": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"},
                },
            },
        },
        "env": {"type": "object", "additionalProperties": _STRING},
        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "port": {"x-kubernetes-int-or-string": True},
        "nested": {
            "type": "object",
            "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}},
        },
        "when": {"type": "string", "format": "date-time"},
        "maybe": {"type": "string", "nullable": True},
        "ratio": {"type": "number", "multipleOf": 0.5},
        "on": {"type": "boolean"},
        "pod": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.minReplicas) || self.minReplicas <= self.replicas",
            "message": "minReplicas must be at most replicas",
        },
        {"rule": "self.size >= oldSelf.size", "message": "size cannot shrink"},
        {
            "rule": "self.color != 'blue' || self.size > 1",
            "message": "blue needs size > 1",
            "reason": "FieldValueForbidden",
            "fieldPath": ".color",
        },
    ],
}
WIDGET: dict[str, Any] = {"type": "object", "required": ["spec"], "properties": {"spec": _SPEC}}


def widget(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": spec,
    }


def refused(obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[tuple[str, str, str]]:
    """(field, reason, message) of every cause, as the server handles a write."""
    ready = default(WIDGET, prune(WIDGET, obj)[0])
    before = None if old is None else default(WIDGET, old)
    return [(one.field, one.reason, one.message) for one in validate(WIDGET, ready, old=before)]


_UNCHECKED = (UNCHECKED.field, UNCHECKED.reason, UNCHECKED.message)


@pytest.mark.parametrize(
    ("spec", "field", "reason", "message", "rules_ran"),
    [
        (
            {"size": 0},
            "spec.size",
            "FieldValueInvalid",
            "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            True,
        ),
        (
            {"size": 99},
            "spec.size",
            "FieldValueInvalid",
            "Invalid value: 99: spec.size in body should be less than or equal to 10",
            True,
        ),
        (
            {"size": "big"},
            "spec.size",
            "FieldValueTypeInvalid",
            'Invalid value: "string": spec.size in body must be of type integer: "string"',
            False,
        ),
        (
            {"size": 1, "color": "pink"},
            "spec.color",
            "FieldValueNotSupported",
            'Unsupported value: "pink": supported values: "red", "green", "blue"',
            False,
        ),
        (
            {"size": 1, "name": "UPPER"},
            "spec.name",
            "FieldValueInvalid",
            "Invalid value: \"UPPER\": spec.name in body should match '^[a-z]+$'",
            True,
        ),
        (
            {"size": 1, "name": "abcdefghijklm"},
            "spec.name",
            "FieldValueTooLong",
            "Too long: may not be more than 10 bytes",
            False,
        ),
        (
            {"size": 1, "tags": ["a", "a"]},
            "spec.tags[1]",
            "FieldValueDuplicate",
            'Duplicate value: "a"',
            True,
        ),
        (
            {"size": 1, "ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]},
            "spec.ports[1]",
            "FieldValueDuplicate",
            'Duplicate value: {"name":"a"}',
            True,
        ),
        (
            {"size": 1, "ports": [{"name": one, "port": 1} for one in "abcd"]},
            "spec.ports",
            "FieldValueTooMany",
            "Too many: 4: must have at most 3 items",
            False,
        ),
        (
            {"size": 1, "env": {"a": 1}},
            "spec.env.a",
            "FieldValueTypeInvalid",
            'Invalid value: "integer": spec.env.a in body must be of type string: "integer"',
            False,
        ),
        (
            {"size": 1, "port": True},
            "spec.port",
            "FieldValueTypeInvalid",
            'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
            False,
        ),
        ({"size": None}, "spec.size", "FieldValueRequired", "Required value", False),
        (
            {"size": 1, "when": "soon"},
            "spec.when",
            "FieldValueTypeInvalid",
            'Invalid value: "soon": spec.when in body must be of type date-time: "soon"',
            False,
        ),
        (
            {"size": 1, "ratio": 0.7},
            "spec.ratio",
            "FieldValueInvalid",
            "Invalid value: 0.7: spec.ratio in body should be a multiple of 0.5",
            True,
        ),
        (
            {"size": 1, "name": "forbidden"},
            "spec.name",
            "FieldValueInvalid",
            'Invalid value: "forbidden": the name forbidden is taken',
            True,
        ),
        (
            {"size": 1, "minReplicas": 5},
            "spec",
            "FieldValueInvalid",
            "Invalid value: minReplicas must be at most replicas",
            True,
        ),
        (
            {"size": 1, "color": "blue"},
            "spec.color",
            "FieldValueForbidden",
            "Forbidden: blue needs size > 1",
            True,
        ),
    ],
)
def test_an_invalid_widget_is_refused_with_the_words_of_the_real_server(
    spec: dict[str, Any], field: str, reason: str, message: str, rules_ran: bool
) -> None:
    expected = [(field, reason, message)] + ([] if rules_ran else [_UNCHECKED])
    assert refused(widget(**spec)) == expected


def test_a_fraction_where_an_integer_belongs_is_refused_twice() -> None:
    assert refused(widget(size=1.5)) == [
        (
            "spec.size",
            "FieldValueTypeInvalid",
            'Invalid value: "number": spec.size in body must be of type integer: "number"',
        ),
        (
            "<nil>",
            "FieldValueInvalid",
            (
                'Invalid value: "": Checked value must be of type integer (default format) '
                "in spec.size"
            ),
        ),
        _UNCHECKED,
    ]


def test_every_cause_is_found_at_once() -> None:
    found = refused(widget(size=99, color="pink", name="UPPERCASELONG", on="yes"))
    assert sorted(field for field, _, _ in found) == [
        "<nil>",
        "spec.color",
        "spec.name",
        "spec.on",
        "spec.size",
    ]


def test_a_spec_that_is_missing_or_null_is_required() -> None:
    without = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    expected = [("spec", "FieldValueRequired", "Required value"), _UNCHECKED]
    assert refused(without) == expected
    assert refused({**without, "spec": None}) == expected


def test_bounds_do_not_keep_the_rules_from_running() -> None:
    found = refused(widget(size=0, color="blue", minReplicas=5))
    assert [field for field, _, _ in found] == ["spec.size", "spec", "spec.color"]


def test_a_summary_of_one_cause_stands_alone_and_of_several_in_brackets() -> None:
    one = validate(WIDGET, default(WIDGET, widget(size=0)))
    assert summary(one).startswith("spec.size: Invalid value: 0: ")
    assert summary([*one, *one]) == summary(one)
    several = validate(WIDGET, default(WIDGET, widget(size="x")))
    assert summary(several).startswith("[spec.size: ")
    assert summary(several).endswith("complete validation]")


@pytest.mark.parametrize(
    ("before", "after", "messages"),
    [
        ({"size": 5}, {"size": 4}, ["Invalid value: size cannot shrink"]),
        (
            {"size": 5, "fixed": "a"},
            {"size": 5, "fixed": "b"},
            ['Invalid value: "b": fixed is immutable'],
        ),
        ({"size": 5, "fixed": "a"}, {"size": 5}, []),
        ({"size": 5}, {"size": 5, "fixed": "c"}, []),
        (
            {"size": 5, "fixed": "a"},
            {"size": 1, "fixed": "z", "minReplicas": 9},
            [
                "Invalid value: minReplicas must be at most replicas",
                "Invalid value: size cannot shrink",
                'Invalid value: "z": fixed is immutable',
            ],
        ),
    ],
)
def test_transition_rules_compare_with_the_old_object(
    before: dict[str, Any], after: dict[str, Any], messages: list[str]
) -> None:
    found = refused(widget(**after), widget(**before))
    assert [message for _, _, message in found] == messages


def test_what_did_not_change_is_not_judged_again() -> None:
    tighter = copy.deepcopy(WIDGET)
    tighter["properties"]["spec"]["properties"]["size"]["maximum"] = 3
    old = widget(size=5, replicas=1)
    assert validate(tighter, widget(size=5, replicas=1, on=True), old=old) == []
    assert [one.field for one in validate(tighter, widget(size=6, replicas=1), old=old)] == [
        "spec.size"
    ]
    assert [one.field for one in validate(tighter, widget(size=5, replicas=1))] == ["spec.size"]


def test_items_of_a_list_map_are_compared_with_the_item_of_the_same_key() -> None:
    old = widget(size=1, ports=[{"name": "a", "port": "bad"}, {"name": "b", "port": 1}])
    new = widget(size=1, ports=[{"name": "b", "port": "x"}, {"name": "a", "port": "bad"}])
    found = [one.field for one in validate(WIDGET, new, old=old)]
    assert found == ["spec.ports[0].port", "<nil>"]


def test_defaults_are_filled_in_where_their_parent_is() -> None:
    filled = default(WIDGET, widget(size=2.0, nested={}, ports=[{"name": "a", "port": 1}]))
    assert filled["spec"] == {
        "size": 2,
        "color": "red",
        "replicas": 1,
        "nested": {"a": "x"},
        "ports": [{"name": "a", "port": 1, "protocol": "TCP"}],
    }
    assert isinstance(filled["spec"]["size"], int)
    assert "nested" not in default(WIDGET, widget(size=1))["spec"]


def test_null_is_kept_only_where_it_is_allowed() -> None:
    filled = default(WIDGET, widget(size=1, maybe=None, color=None, on=None, raw={"x": None}))
    assert filled["spec"] == {
        "size": 1,
        "maybe": None,
        "color": "red",
        "replicas": 1,
        "raw": {"x": None},
    }


def test_unknown_fields_are_dropped_and_named() -> None:
    obj = widget(size=1, bogus=1, nested={"zz": 1}, raw={"keep": {"me": 1}}, ports=[{"q": 1}])
    obj["metadata"]["nope"] = "x"
    pruned, unknown = prune(WIDGET, obj)
    assert unknown == ["metadata.nope", "spec.bogus", "spec.nested.zz", "spec.ports[0].q"]
    assert pruned["spec"] == {"size": 1, "nested": {}, "raw": {"keep": {"me": 1}}, "ports": [{}]}
    assert unknown_fields_message(["spec.bogus", "spec.nested.zz"]) == (
        'unknown field "spec.bogus", unknown field "spec.nested.zz"'
    )


def test_an_embedded_resource_keeps_its_kind_and_checks_its_metadata() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "bogus": 1}, "more": 1}
    pruned, unknown = prune(WIDGET, widget(size=1, pod=pod))
    assert unknown == ["spec.pod.metadata.bogus"]
    assert pruned["spec"]["pod"]["more"] == 1


def test_logic_names_no_field() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    assert validate(schema, {"a": 1}) == []
    messages = [one.message for one in validate(schema, {}, path="spec")]
    text = '"spec" must validate one and only one schema (oneOf). Found none valid'
    assert messages == [f'Invalid value: "": {text}']
    assert "Found 2 valid" in validate(schema, {"a": 1, "b": 2}, path="spec")[0].message
    assert validate({"type": "string", "not": {"enum": ["x"]}}, "x")[0].field == "<nil>"
    assert validate({"type": "string", "anyOf": [{"minLength": 2}]}, "x") != []
    assert validate({"type": "integer", "allOf": [{"minimum": 2}]}, 1) != []


_scalars = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from(["a", "red", "x", ""])
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "name", "port", "zz"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_specs = st.dictionaries(st.sampled_from([*_SPEC["properties"], "bogus"]), _values, max_size=6)


@settings(deadline=None)
@given(spec=_specs)
def test_defaulting_twice_is_defaulting_once(spec: dict[str, Any]) -> None:
    once = default(WIDGET, widget(**spec))
    assert default(WIDGET, once) == once


@settings(deadline=None)
@given(spec=_specs)
def test_pruning_twice_is_pruning_once(spec: dict[str, Any]) -> None:
    once, _ = prune(WIDGET, widget(**spec))
    again, unknown = prune(WIDGET, once)
    assert again == once
    assert unknown == []


@settings(deadline=None)
@given(spec=_specs)
def test_arguments_are_never_changed_and_any_value_can_be_judged(spec: dict[str, Any]) -> None:
    obj = widget(**spec)
    before = copy.deepcopy(obj)
    filled = default(WIDGET, prune(WIDGET, obj)[0])
    for cause in validate(WIDGET, filled):
        assert cause.reason.startswith("FieldValue")
    assert obj == before


@settings(deadline=None)
@given(spec=_specs)
def test_an_object_that_does_not_change_stays_valid(spec: dict[str, Any]) -> None:
    filled = default(WIDGET, widget(**{**spec, "size": 1}))
    assert validate(WIDGET, filled, old=filled) == []
