"""The seam to the pure machinery: schemas, patches and server-side apply, in this server's terms.

It turns what those modules raise and report into refusals. Nothing else here imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local import apply as ssa
from tidegate.local import patch as patches
from tidegate.local.apiserver.errors import ApiError
from tidegate.local.schema import builtin
from tidegate.local.schema.metadata import with_metadata
from tidegate.local.schema.structural import check_structural, default, prune, validate

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.messages import Obj


def builtin_schema(group: str, version: str, kind: str) -> Obj:
    """The structural schema of a built-in kind."""
    return builtin.schema_for(group, version, kind)


def custom_schema(schema: Obj) -> Obj:
    """The schema of a custom resource with the root fields that every object has."""
    return with_metadata(schema)


def drop_unknown(schema: Obj, obj: Obj) -> tuple[Obj, list[str]]:
    """The object without undeclared fields, and their paths."""
    return prune(schema, obj)


def fill_defaults(schema: Obj, obj: Obj) -> Obj:
    """The object with the defaults of its schema."""
    filled: Obj = default(schema, obj)
    return filled


def causes(schema: Obj, obj: Obj, *, old: Obj | None) -> list[Obj]:
    """Why the object does not satisfy its schema."""
    return [c.as_dict() for c in validate(schema, obj, old=old)]


def decode_problem(schema: Obj, obj: Obj) -> str:
    """Why a real server could not even decode the object; empty when it could."""
    return builtin.decode_problem(schema, obj) or ""


def schema_causes(schema: Obj, path: str) -> list[Obj]:
    """Why a CRD's schema is refused; `path` is where it stands."""
    return [c.as_dict() for c in check_structural(schema, path=path)]


def json_patch(obj: Obj, operations: Any) -> Any:
    """RFC 6902.

    :raises ApiError: 400 or 422.
    """
    try:
        return patches.json_patch(obj, operations)
    except patches.PatchProblem as error:
        raise _refused(error) from error


def merge_patch(obj: Any, patch: Any) -> Any:
    """RFC 7386.

    :raises ApiError: 400.
    """
    try:
        return patches.merge_patch(obj, patch)
    except patches.PatchProblem as error:
        raise _refused(error) from error


def strategic_merge(obj: Obj, patch: Any, schema: Obj) -> Any:
    """Kubernetes' merge patch that knows merge keys.

    :raises ApiError: 400 or 422.
    """
    try:
        return patches.strategic_merge(obj, patch, schema)
    except patches.PatchProblem as error:
        raise _refused(error) from error


def _refused(error: patches.PatchProblem | ssa.ApplyRefused) -> ApiError:
    details: Obj | None = {} if error.status == 422 else None
    return ApiError(error.status, error.reason, error.message, details=details)


def track(
    live: Obj | None, obj: Obj, *, manager: str, schema: Obj, subresource: str, now: datetime
) -> Obj:
    """The object with the fields that `manager` changed noted as its own."""
    return ssa.update_managed(
        live, obj, manager=manager, schema=schema, subresource=subresource or None, now=now
    )


def server_side_apply(
    live: Obj | None,
    config: Obj,
    *,
    manager: str,
    schema: Obj,
    api_version: str,
    force: bool,
    subresource: str,
    now: datetime,
) -> Obj:
    """The object after a server-side apply, with its field ownership.

    :raises ApiError: 409 for fields that others own, 500 for a configuration that does not fit.
    """
    try:
        result = ssa.apply(
            live,
            config,
            manager=manager,
            schema=schema,
            api_version=api_version,
            force=force,
            subresource=subresource or None,
            now=now,
        )
    except ssa.ApplyConflict as error:
        details = {"causes": [c.as_dict() for c in error.causes]}
        raise ApiError(409, "Conflict", error.message, details=details) from error
    except ssa.ApplyRefused as error:
        raise _refused(error) from error
    return result.object
