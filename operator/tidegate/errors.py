"""The tree of errors that Tidegate raises.

    TidegateError
    ├── Retryable            the same call may succeed later; the work queue backs off
    │   └── Unreachable      something outside did not answer in time
    ├── Terminal             will not heal by itself; carries a condition reason and what to do
    ├── NoData               a source answered, and had nothing to say: never success, never failure
    └── KubeError            the API server refused; carries its status, reason and message
        ├── NotFound  AlreadyExists  Conflict  Invalid  Forbidden  Unauthorized  Gone
        └── TooManyRequests  ServerUnavailable       (retried with back-off)

Reasons are CamelCase constants: the same word stands in conditions, in the documentation and in
tests.
"""

from __future__ import annotations


class TidegateError(Exception):
    """Base of every error that Tidegate raises on purpose."""


class Retryable(TidegateError):
    """The same call may succeed later. `reason` is a CamelCase condition reason."""

    def __init__(self, message: str, *, reason: str = "Retrying") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Unreachable(Retryable):
    """Something outside did not answer, or not in time."""

    def __init__(self, message: str, *, reason: str = "Unreachable") -> None:
        super().__init__(message, reason=reason)


class Terminal(TidegateError):
    """It will not heal by itself: somebody has to change something.

    `reason` is a CamelCase condition reason; `message` says what is wrong and what to do next.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class NoData(TidegateError):
    """A source answered and had nothing to say. Never success, never failure."""


class KubeError(TidegateError):
    """The API server refused a request.

    `status` is the HTTP status (0 when there was no answer), `reason` the machine-readable reason
    of its `Status` object, `message` its text, `details` its details (causes), if any.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class NotFound(KubeError):
    """404: the object, or the kind, does not exist."""


class AlreadyExists(KubeError):
    """409 AlreadyExists: created before."""


class Conflict(KubeError):
    """409: changed meanwhile, or owned by another field manager. Retry with fresh state."""


class Invalid(KubeError):
    """400 or 422: the object is not what the API server accepts."""


class Forbidden(KubeError):
    """403: this user may not do that."""


class Unauthorized(KubeError):
    """401: the API server does not know who asks."""


class Gone(KubeError):
    """410: that resource version is no longer kept. List again."""


class TooManyRequests(KubeError):
    """429: slow down. `retry_after` is in seconds, if the server said so."""

    def __init__(self, message: str, *, retry_after: float | None = None, reason: str = "") -> None:
        super().__init__(message, status=429, reason=reason or "TooManyRequests")
        self.retry_after = retry_after


class ServerUnavailable(KubeError):
    """5xx, a timeout, or no connection. `retry_after` is in seconds, if the server said so."""

    def __init__(
        self, message: str, *, status: int = 0, retry_after: float | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, status=status, reason=reason or "ServiceUnavailable")
        self.retry_after = retry_after
