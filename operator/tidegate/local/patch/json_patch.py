"""JSON patch, RFC 6902, with the API server's one liberty: replacing an absent member adds it."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException

from tidegate.local.patch.errors import PatchProblem

_MOST_OPERATIONS = 10_000
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
    try:
        for operation in ops:
            document = _applied(document, operation)
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, TypeError, ValueError):
        raise PatchProblem.rejected() from None
    return document


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
