"""Turns an answer that is no success into the error that says what it means.

The one place where HTTP status codes become classes of `tidegate.errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tidegate.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    ServerUnavailable,
    TooManyRequests,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_STATUS: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Gone,
    422: Invalid,
}
_MAX_TEXT = 500


def error_of(status: int, *, headers: Mapping[str, str], body: bytes, what: str = "") -> KubeError:
    """Return the error for an answer of `status` (≥ 400). `what` names the request, for people."""
    document = _status_document(body)
    text = str(document.get("message") or _plain(body) or f"HTTP {status}")
    reason = str(document.get("reason") or "")
    message = f"{what}: {text}" if what else text
    if status == 429:
        return TooManyRequests(message, retry_after=_retry_after(headers, document), reason=reason)
    if status == 408 or status >= 500:
        wait = _retry_after(headers, document)
        return ServerUnavailable(message, status=status, retry_after=wait, reason=reason)
    details = document.get("details")
    kind = _BY_STATUS.get(status, KubeError)
    if status == 409:
        kind = AlreadyExists if reason == "AlreadyExists" else Conflict
    return kind(
        message,
        status=status,
        reason=reason,
        details=details if isinstance(details, dict) else None,
    )


def error_of_status(document: Mapping[str, Any], *, what: str = "") -> KubeError:
    """Return the error for a `Status` object that came inside a stream (a watch's ERROR event)."""
    code = document.get("code")
    status = code if isinstance(code, int) and code >= 400 else 500
    return error_of(status, headers={}, body=orjson.dumps(document), what=what)


def _status_document(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def _plain(body: bytes) -> str:
    """Return what a proxy or load balancer said instead of a Status object, cut to be readable."""
    return body[:_MAX_TEXT].decode("utf-8", "replace").strip()


def _retry_after(headers: Mapping[str, str], document: Mapping[str, Any]) -> float | None:
    """Return seconds to wait. Dates in Retry-After are not used by API servers, so not read."""
    details = document.get("details")
    told = headers.get("retry-after")
    if told is None and isinstance(details, dict):
        told = details.get("retryAfterSeconds")
    try:
        return None if told is None else max(0.0, float(told))
    except ValueError:
        return None
