"""What OpenAPI 2 cannot say, and how its documents are written as protobuf."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver import openapi2_protobuf
from tidegate.local.apiserver.openapi2 import definition

REF = "#/components/schemas/a"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": REF, "default": {}}, {"$ref": "#/definitions/a", "default": {}}),
        (
            {"allOf": [{"$ref": REF}], "description": "d"},
            {"$ref": "#/definitions/a", "description": "d"},
        ),
        ({"type": "string", "nullable": True, "description": "d"}, {"description": "d"}),
        (
            {"type": "string", "x-kubernetes-int-or-string": True},
            {"x-kubernetes-int-or-string": True},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        ),
        ({"type": "integer", "anyOf": [{"minimum": 1}]}, {"type": "integer"}),
        (
            {"type": "array", "items": {"$ref": REF}},
            {"type": "array", "items": {"$ref": "#/definitions/a"}},
        ),
        # A field may be called like a keyword.
        (
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
        ),
    ],
)
def test_a_schema_says_no_more_than_version_2_can(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert definition(schema) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, b"\xb2\x01\x08\n\x06string"),
        ({"minimum": 1}, b"\x49\x00\x00\x00\x00\x00\x00\xf0\x3f"),
        ({"maxLength": 300}, b"\x58\xac\x02"),
        ({"enum": ["a"]}, b'\xa2\x01\x05\x12\x03"a"'),
        ({"x-a": 1}, b"\xfa\x01\x0a\x0a\x03x-a\x12\x03\x12\x011"),
        ({"additionalProperties": True}, b"\xaa\x01\x02\x10\x01"),
    ],
)
def test_every_sort_of_field_is_written_as_protobuf_wants_it(
    schema: dict[str, Any], expected: bytes
) -> None:
    written = openapi2_protobuf.encode({"definitions": {"n": schema}})
    # Around it: the definitions, one of them, its name, and the schema, each with its length.
    assert written.endswith(expected)
    size = len(expected)
    around = bytes((0x4A, size + 7, 0x0A, size + 5, 0x0A, 1)) + b"n" + bytes((0x12, size))
    assert written == around + expected


def test_a_field_without_a_number_is_an_error_and_not_left_out() -> None:
    with pytest.raises(KeyError):
        openapi2_protobuf.encode({"definitions": {"n": {"nullable": True}}})
