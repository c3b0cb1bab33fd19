"""OpenAPI version 2: one document of everything that is served, made from the one of version 3.

kubectl reads it for what version 3 does not name, such as a `kind: List`. What version 2 cannot say
is left out, as a real server leaves it out, so that clients refuse nothing that the server takes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import answering, openapi2_protobuf
from tidegate.local.apiserver.errors import not_acceptable
from tidegate.local.apiserver.messages import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.messages import HttpRequest, Obj

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# The at sign is no legal character of a media type, so answers have a dot.
_PROTOBUF_ANSWER = PROTOBUF.replace("@", ".")
_OLD_REF, _REF = "#/components/schemas/", "#/definitions/"
_DROPPED = ("nullable", "allOf", "anyOf", "oneOf", "not", "id", "$schema", "externalDocs")
_SHAPE = ("type", "properties", "items", "additionalProperties", "required")


class SecondVersion:
    """Answers `/openapi/v2`; `source` makes the document of version 3 with every kind."""

    def __init__(self, source: Callable[[], Obj]) -> None:
        self._source = source
        self._json = b""
        self._protobuf = b""
        self._tag = ""

    def forget(self) -> None:
        """Kinds came or went: make it anew when it is next asked for."""
        self._json = self._protobuf = b""

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The document in the form that was asked for.

        :raises ApiError: 406 when it is neither of the two.
        """
        binary = _is_protobuf(request.headers.get("accept", ""))
        if not self._json:
            self._json = orjson.dumps(document(self._source()))
            self._tag = f'"{hashlib.sha512(self._json).hexdigest().upper()}"'
        media = _PROTOBUF_ANSWER if binary else answering.JSON
        headers = answering.headers(media) | {"etag": self._tag, "vary": "Accept"}
        if request.headers.get("if-none-match") == self._tag:
            return HttpResponse(304, headers, b"")
        if not binary:
            return HttpResponse(200, headers, self._json)
        if not self._protobuf:
            self._protobuf = openapi2_protobuf.encode(orjson.loads(self._json))
        return HttpResponse(200, headers, self._protobuf)


def _is_protobuf(accept: str) -> bool:
    for choice in accept.split(",") if accept else ("*/*",):
        media = choice.partition(";")[0].strip()
        if media in (PROTOBUF, _PROTOBUF_ANSWER):
            return True
        if media in ("*/*", "application/*", answering.JSON):
            return False
    raise not_acceptable((answering.JSON, PROTOBUF))


def document(third: Obj) -> Obj:
    """The document of version 2 that says what this one of version 3 says."""
    return {
        "swagger": "2.0",
        "info": third["info"],
        "paths": {
            path: {method: _operation(one) for method, one in operations.items()}
            for path, operations in third["paths"].items()
        },
        "definitions": {
            name: definition(schema) for name, schema in third["components"]["schemas"].items()
        },
    }


def definition(schema: Obj) -> Obj:
    """A schema in the words of version 2."""
    reference = schema.get("$ref") or _only_reference(schema)
    if reference is not None:
        kept = {k: v for k, v in schema.items() if k in ("description", "default")}
        return {"$ref": reference.replace(_OLD_REF, _REF), **kept}
    dropped = {*_DROPPED, *_unsayable(schema)}
    found = {k: v for k, v in schema.items() if k not in dropped}
    if "properties" in found:
        found["properties"] = {k: definition(v) for k, v in found["properties"].items()}
    for below in ("items", "additionalProperties"):
        if isinstance(found.get(below), dict):
            found[below] = definition(found[below])
    return found


def _only_reference(schema: Obj) -> str | None:
    """What `allOf` with a single member refers to: version 3 describes references in this way."""
    whole = schema.get("allOf") or []
    return whole[0].get("$ref") if len(whole) == 1 else None


def _unsayable(schema: Obj) -> tuple[str, ...]:
    if schema.get("nullable"):
        # Version 2 knows no null: a typed field would refuse it.
        return _SHAPE
    if schema.get("x-kubernetes-int-or-string"):
        return ("type",)
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        # Clients call every field unknown that is not declared.
        return _SHAPE[1:]
    return ()


def _operation(operation: Obj) -> Obj:
    found: Obj = {k: v for k, v in operation.items() if k not in _SAID_OTHERWISE}
    parameters = [
        {**{k: v for k, v in one.items() if k != "schema"}, **one["schema"]}
        for one in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        parameters.insert(0, _body(operation["requestBody"]))
    if parameters:
        found["parameters"] = parameters
    found["responses"] = {
        code: _response(response) for code, response in operation["responses"].items()
    }
    return found


_SAID_OTHERWISE = ("parameters", "requestBody", "responses")


def _body(body: Obj) -> Obj:
    content = next(iter(body["content"].values()))
    found: Obj = {"name": "body", "in": "body", "schema": definition(content["schema"])}
    return {**found, "required": True} if body.get("required") else found


def _response(response: Obj) -> Obj:
    schema: Any = response["content"][answering.JSON]["schema"]
    return {"description": response["description"], "schema": definition(schema)}
