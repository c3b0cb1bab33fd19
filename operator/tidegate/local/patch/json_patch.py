"""JSON patch, RFC 6902, with the API server's one liberty: replacing an absent member adds it."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import orjson
from jsonpointer import JsonPointer, JsonPointerException

from tidegate.local.patch.errors import PatchProblem

_MOST_OPERATIONS = 10_000
_MOST_COPIED = 3 * 1024 * 1024
_OPERATIONS = frozenset(("add", "remove", "replace", "move", "copy", "test"))


def json_patch(obj: dict[str, Any], ops: Any) -> Any:
    """`obj` after all operations, or none of them.

    :raises PatchProblem: 400 when it is no list of operations, 422 when one does not apply, 413
        when there are too many.
    """
    if not isinstance(ops, list) or not all(isinstance(one, dict) for one in ops):
        raise PatchProblem.malformed(
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "jsonpatch.Patch"
        )
    if len(ops) > _MOST_OPERATIONS:
        text = (
            f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(ops)}"
        )
        raise PatchProblem(text, status=413, reason="RequestEntityTooLarge")
    document: Any = copy.deepcopy(obj)
    copied = 0
    try:
        for operation in ops:
            copied += _copied(document, operation)
            if copied > _MOST_COPIED:
                # Each copy may double the document: a few of them fill any memory.
                text = (
                    "Unable to complete the copy, the accumulated size increase of copy is "
                    f"{copied}, exceeding the limit {_MOST_COPIED}"
                )
                raise PatchProblem(text, status=413, reason="RequestEntityTooLarge")
            document = _applied(document, operation)
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, TypeError, ValueError):
        raise PatchProblem.rejected() from None
    return document


def _copied(document: Any, operation: dict[str, Any]) -> int:
    """How many bytes the operation adds to the document by copying a part of it."""
    if operation.get("op") != "copy":
        return 0
    return len(orjson.dumps(JsonPointer(operation["from"]).resolve(document)))


def _applied(document: Any, operation: dict[str, Any]) -> Any:
    if operation.get("op") not in _OPERATIONS or "path" not in operation:
        raise PatchProblem.rejected()
    if operation["op"] == "replace" and "value" in operation:
        pointer = JsonPointer(operation["path"])
        if pointer.parts:
            parent, last = pointer.to_last(document)
            if isinstance(parent, dict) and last not in parent:
                operation = {**operation, "op": "add"}
    return jsonpatch.apply_patch(document, [operation], in_place=True)
