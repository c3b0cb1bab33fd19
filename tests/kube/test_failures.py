"""Each answer that is no success becomes the error that says what it means."""

from __future__ import annotations

import orjson
import pytest

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
from tidegate.kube.failures import error_of, error_of_status


def status(code: int, reason: str = "", **more: object) -> bytes:
    return orjson.dumps(
        {"kind": "Status", "code": code, "reason": reason, "message": "it says why", **more}
    )


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", KubeError),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (408, "Timeout", ServerUnavailable),
        (500, "InternalError", ServerUnavailable),
        (503, "ServiceUnavailable", ServerUnavailable),
    ],
)
def test_a_status_code_and_reason_choose_the_class(
    code: int, reason: str, expected: type[KubeError]
) -> None:
    error = error_of(code, headers={}, body=status(code, reason), what="GET /x")

    assert type(error) is expected
    assert (error.status, error.reason) == (code, reason)
    assert error.message == "GET /x: it says why"


def test_causes_are_kept_for_whoever_wants_to_tell_them() -> None:
    details = {"causes": [{"field": "spec.x", "message": "is wrong"}]}

    error = error_of(422, headers={}, body=status(422, "Invalid", details=details))

    assert error.details == details


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [
        ({"retry-after": "3"}, {}, 3.0),
        ({}, {"retryAfterSeconds": 2}, 2.0),
        ({"retry-after": "-4"}, {}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({}, {}, None),
    ],
)
def test_how_long_to_wait_is_kept(
    headers: dict[str, str], details: dict[str, int], expected: float | None
) -> None:
    slow = error_of(429, headers=headers, body=status(429, details=details))
    down = error_of(503, headers=headers, body=status(503, details=details))

    assert isinstance(slow, TooManyRequests)
    assert isinstance(down, ServerUnavailable)
    assert slow.retry_after == expected
    assert down.retry_after == expected


def test_what_a_proxy_says_in_plain_text_is_shown_but_cut() -> None:
    error = error_of(502, headers={}, body=b"<html>bad gateway " + b"x" * 10_000)

    assert isinstance(error, ServerUnavailable)
    assert error.message.startswith("<html>bad gateway")
    assert len(error.message) <= 500


def test_an_error_inside_a_stream_is_mapped_alike() -> None:
    error = error_of_status({"kind": "Status", "code": 410, "reason": "Expired", "message": "old"})

    assert isinstance(error, Gone)


def test_an_error_inside_a_stream_without_a_code_is_the_servers_fault() -> None:
    assert isinstance(error_of_status({}), ServerUnavailable)
