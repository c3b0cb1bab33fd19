"""The protobuf form of an OpenAPI 2 document, which is the only one that kubectl asks for.

Field numbers are those of the public message definitions of OpenAPI 2 (`openapi.v2.Document`).
Only what our own documents contain is written; anything else in them is an error here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidegate.local.apiserver.messages import Obj

    Encoder = Callable[[int, Any], bytes]
    Table = dict[str, tuple[int, Encoder]]


def encode(document: Obj) -> bytes:
    """The whole document.

    :raises KeyError: for a field that is not in the tables.
    """
    return _message(document, _DOCUMENT)


def _varint(value: int) -> bytes:
    # A negative number is written as its two's complement of 64 bits.
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _framed(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _text(number: int, value: str) -> bytes:
    return _framed(number, value.encode())


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    # Readers take it as YAML, of which JSON is a part.
    return _framed(number, _framed(2, orjson.dumps(value)))


def _named(number: int, name: str, value: bytes) -> bytes:
    return _framed(number, _text(1, name) + value)


def _message(obj: Obj, table: Table, *, extensions: int = 0) -> bytes:
    """The fields of a message; `extensions` is the number under which `x-…` fields are listed."""
    parts: list[bytes] = []
    for name, value in obj.items():
        if extensions and name.startswith("x-"):
            parts.append(_named(extensions, name, _any(2, value)))
        else:
            number, encoder = table[name]
            parts.append(encoder(number, value))
    return b"".join(parts)


def _each(encoder: Encoder) -> Encoder:
    def repeated(number: int, values: Iterable[Any]) -> bytes:
        return b"".join(encoder(number, one) for one in values)

    return repeated


def _schema(number: int, schema: Obj) -> bytes:
    return _framed(number, _message(schema, _SCHEMA, extensions=31))


def _type(number: int, value: str) -> bytes:
    return _framed(number, _text(1, value))


def _wrapped_schema(number: int, schema: Obj) -> bytes:
    return _framed(number, _schema(1, schema))


def _schema_or_flag(number: int, value: Obj | bool) -> bytes:
    inside = _integer(2, value) if isinstance(value, bool) else _schema(1, value)
    return _framed(number, inside)


def _schemas(number: int, schemas: dict[str, Obj]) -> bytes:
    """A map of schemas by name."""
    return _framed(number, b"".join(_named(1, n, _schema(2, one)) for n, one in schemas.items()))


def _paths(number: int, paths: dict[str, Obj]) -> bytes:
    items = (_named(2, path, _framed(2, _message(one, _PATH))) for path, one in paths.items())
    return _framed(number, b"".join(items))


def _info(number: int, info: Obj) -> bytes:
    return _framed(number, _message(info, {"title": (1, _text), "version": (2, _text)}))


def _operation(number: int, operation: Obj) -> bytes:
    return _framed(number, _message(operation, _OPERATION, extensions=13))


def _parameter(number: int, parameter: Obj) -> bytes:
    if "schema" in parameter:
        return _framed(number, _framed(1, _framed(1, _message(parameter, _BODY))))
    inside = _message(parameter, _QUERY)
    # Three messages that only say which of their kinds this one is.
    return _framed(number, _framed(1, _framed(2, _framed(3, inside))))


def _responses(number: int, responses: dict[str, Obj]) -> bytes:
    table: Table = {"description": (1, _text), "schema": (2, _wrapped_schema)}
    items = (
        _named(1, code, _framed(2, _framed(1, _message(one, table))))
        for code, one in responses.items()
    )
    return _framed(number, b"".join(items))


_SCHEMA: Table = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _integer),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _integer),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _each(_text)),
    "enum": (20, _each(_any)),
    "additionalProperties": (21, _schema_or_flag),
    "type": (22, _type),
    "items": (23, _wrapped_schema),
    "properties": (25, _schemas),
    "example": (30, _any),
}
_QUERY: Table = {
    "in": (2, _text),
    "name": (4, _text),
    "type": (6, _text),
    "uniqueItems": (20, _integer),
}
_BODY: Table = {
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _integer),
    "schema": (5, _schema),
}
_OPERATION: Table = {"parameters": (8, _each(_parameter)), "responses": (9, _responses)}
_PATH: Table = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "patch": (8, _operation),
}
_DOCUMENT: Table = {
    "swagger": (1, _text),
    "info": (2, _info),
    "paths": (8, _paths),
    "definitions": (9, _schemas),
}
