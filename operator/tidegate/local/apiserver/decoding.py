"""From a request's body to an object: media types, malformed text, duplicate fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import protobuf
from tidegate.local.apiserver.errors import ApiError, bad_request, unsupported_media
from tidegate.local.apiserver.yaml_text import load_yaml

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj

MAX_BODY = 3 * 1024 * 1024
OBJECT_MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


def media_type(request: HttpRequest) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def too_large() -> ApiError:
    """413."""
    message = f"Request entity too large: limit is {MAX_BODY}"
    return ApiError(413, "RequestEntityTooLarge", message)


def load_json(text: bytes) -> Any:
    """Parse JSON, with Go's words for the commonest error.

    :raises ValueError: when it is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not text.strip() or error.pos >= len(text):
            raise ValueError("unexpected end of JSON input") from error
        if text.count(b"{") > text.count(b"}"):
            raise ValueError("unexpected end of JSON input") from error
        raise ValueError(f"invalid character at offset {error.pos}: {error.msg}") from error


def decode_object(request: HttpRequest, kind: Kind) -> tuple[Obj, list[str]]:
    """The object in a POST or PUT, and the paths of fields that stand in it twice.

    :raises ApiError: 400 when it is no object, 415 for media types that are not spoken.
    """
    media = media_type(request) or "application/json"
    text = request.body
    if media == "application/json":
        duplicates = duplicate_fields(text)
        obj = _unmarshal(text, kind, load_json)
    elif media == protobuf.MEDIA:
        duplicates = []
        obj = protobuf.decode(text)
    elif media in ("application/yaml", "text/yaml", "application/x-yaml"):
        duplicates = []
        obj = _unmarshal(text, kind, load_yaml)
    else:
        raise unsupported_media(OBJECT_MEDIA)
    if not kind.custom:
        # The path says what is meant, and the typed clients of many languages leave it at that.
        obj["kind"] = obj.get("kind") or kind.kind
        obj["apiVersion"] = obj.get("apiVersion") or kind.api_version
    for field in ("kind", "apiVersion"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            word = "Kind" if field == "kind" else field
            raise unrecognized(kind, f"Object '{word}' is missing in '{_text(text)}'", text)
    _check_metadata(obj, kind)
    return obj, duplicates


def _unmarshal(text: bytes, kind: Kind, load: Any) -> Obj:
    try:
        obj = load(text)
    except ValueError as error:
        lead = "couldn't get version/kind; json parse error: " if load is load_json else ""
        raise unrecognized(kind, f"{lead}{error}", text) from error
    if not isinstance(obj, dict):
        why = (
            "couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{json_type(obj)} into Go value of type struct"
        )
        raise unrecognized(kind, why, text)
    return obj


def _check_metadata(obj: Obj, kind: Kind) -> None:
    metadata = obj.get("metadata")
    if metadata is None:
        obj["metadata"] = {}
    elif not isinstance(metadata, dict):
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"json: cannot unmarshal {json_type(metadata)} into Go struct field "
            f"{kind.kind}.metadata of type v1.ObjectMeta"
        )


def unrecognized(kind: Kind, why: str, text: bytes) -> ApiError:
    """400: no object of this kind could be read from the body."""
    shown = _text(text)
    sample = shown if len(shown) <= 30 else shown[:30] + " ..."
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind.kind}): "
        f"{why} ({sample or '<empty>'})"
    )


def _text(text: bytes) -> str:
    return text[:2000].decode("utf-8", "replace")


def json_type(value: Any) -> str:
    """The JSON name of a value's type, as Go's decoder says it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "null" if value is None else "object"


class _Pairs(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    twice: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    obj = _Pairs(pairs)
    if len(obj) != len(pairs):
        seen: set[str] = set()
        obj.twice = tuple(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
    return obj


def duplicate_fields(text: bytes) -> list[str]:
    """The paths of object members that stand in the JSON text more than once."""
    try:
        root = json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    _collect(root, "", found)
    return found


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        found.extend(f"{path}{key}" for key in value.twice)
        for key, child in value.items():
            if isinstance(child, dict | list):
                _collect(child, f"{path}{key}.", found)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            if isinstance(child, dict | list):
                _collect(child, f"{path[:-1]}[{index}].", found)
