"""The refusals of the API server: one exception, and one constructor for every reason.

A refusal is raised anywhere below `ApiServer.handle`, which turns it into a `Status` body. Messages
follow a real server's, because people and clients read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj

GENERIC_INVALID = "the server rejected our request due to an error in our request"


class ApiError(Exception):
    """A refusal: HTTP status, reason, message, and what else the `Status` object carries."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Obj | None = None,
        retry_after: int | None = None,
        metadata: Obj | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after
        self.metadata = metadata or {}
        self.warnings = list(warnings)

    def body(self) -> Obj:
        """The `Status` object that the client receives."""
        status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


class PlainNotFound(Exception):
    """A path that no API serves: 404 as plain text, as a real server answers."""


def resource_details(name: str, group: str, kind: str) -> Obj:
    """The `details` of a refusal; empty parts are left out."""
    details: Obj = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    details["kind"] = kind
    return details


def not_found(kind: Kind, name: str) -> ApiError:
    """404: no object of that name."""
    return ApiError(
        404,
        "NotFound",
        f'{kind.qualified} "{name}" not found',
        details=resource_details(name, kind.group, kind.plural),
    )


def no_such_resource() -> ApiError:
    """404: the group is served, the resource is not."""
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, details={})


def already_exists(kind: Kind, name: str, *, terminating: bool = False) -> ApiError:
    """409: an object of that name is there, or still there."""
    lead = "object is being deleted: " if terminating else ""
    return ApiError(
        409,
        "AlreadyExists",
        f'{lead}{kind.qualified} "{name}" already exists',
        details=resource_details(name, kind.group, kind.plural),
    )


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> ApiError:
    """409: the object is not what the caller thinks it is."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}',
        details=resource_details(name, kind.group, kind.plural),
    )


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def internal(message: str) -> ApiError:
    """500 without a reason, as a real server answers to some malformed requests."""
    return ApiError(500, "", message)


def internal_error(message: str) -> ApiError:
    """500 as `NewInternalError` makes it."""
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        details={"causes": [{"message": message}]},
    )


def generic_invalid() -> ApiError:
    """422 without details: what a failed JSON Patch answers."""
    return ApiError(422, "Invalid", GENERIC_INVALID, details={})


def forbidden(kind: Kind, name: str, why: str, causes: list[Obj] | None = None) -> ApiError:
    """403."""
    details = resource_details(name, kind.group, kind.plural)
    if causes:
        details["causes"] = causes
    return ApiError(
        403, "Forbidden", f'{kind.qualified} "{name}" is forbidden: {why}', details=details
    )


def method_not_allowed(kind: Kind, verb: str) -> ApiError:
    """405."""
    return ApiError(
        405,
        "MethodNotAllowed",
        f'{verb} is not supported on resources of kind "{kind.qualified}"',
        details=resource_details("", kind.group, kind.plural),
    )


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    """415."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """406."""
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return ApiError(406, "NotAcceptable", message)


def cause(field: str, reason: str, message: str) -> Obj:
    """One entry of `details.causes`."""
    return {"reason": reason, "message": message, "field": field}


def invalid(kind: str, group: str, name: str, causes: Sequence[Obj]) -> ApiError:
    """422 with causes. `kind` is the object's kind, as the message names it."""
    qualified = f"{kind}.{group}" if group else kind
    parts = list(dict.fromkeys(f"{c['field']}: {c['message']}" for c in causes))
    text = parts[0] if len(parts) == 1 else "[" + ", ".join(parts) + "]"
    details = resource_details(name, group, kind)
    if not kind:
        del details["kind"]
    details["causes"] = list(causes)
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details=details)


def invalid_options(kind: str, field: str, reason: str, message: str) -> ApiError:
    """422 about the options of a request (`ListOptions`, `PatchOptions`, …)."""
    return invalid(kind, "meta.k8s.io", "", [cause(field, reason, message)])


def invalid_value(value: Any, why: str) -> str:
    """The text `Invalid value: "…": why`, quoted as Go quotes."""
    return f"Invalid value: {orjson.dumps(value).decode()}: {why}"


def expired(message: str, *, metadata: Obj | None = None) -> ApiError:
    """410: that resource version is no longer kept."""
    return ApiError(410, "Expired", message, metadata=metadata)
