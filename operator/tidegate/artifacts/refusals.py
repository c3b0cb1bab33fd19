"""What an object store refuses, in the words of conditions.

obstore's own texts show whole addresses, signatures included: only the HTTP status and the store's
error code are taken from them.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal, TidegateError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.artifacts.credentials import Credentials

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_EXPIRED = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthenticationFailed")
_ELSEWHERE = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint")


def status_of(error: BaseException) -> int | None:
    """The HTTP status that the store answered, None where it did not answer."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


@contextlib.contextmanager
def explained(uri: str, credentials: Credentials) -> Iterator[None]:
    """Turns what obstore raises within into Terminal and Unreachable that name `uri`."""
    try:
        yield
    except TidegateError:
        raise
    except FileNotFoundError as error:  # obstore raises it for what is not there
        raise _absent(uri, error) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _forbidden(uri, error, credentials) from None
    except BaseError as error:
        raise _refused(uri, error, credentials) from None
    except ValueError:
        raise Terminal(
            URI_INVALID,
            f"{shown(uri)} names no object that can be: a key has no empty parts, `.` or `..`; "
            "correct spec.artifact.uri",
        ) from None


def _refused(uri: str, error: BaseError, credentials: Credentials) -> TidegateError:
    status, code = status_of(error), _code_of(error)
    if status is None:
        return Unreachable(
            f"{shown(uri)} cannot be reached: check the store's endpoint, and that it may be "
            "reached from here (NetworkPolicy, proxy, certificate)"
        )
    if status in (401, 403) or code in _EXPIRED:
        return _forbidden(uri, error, credentials)
    if status == 404:
        return _absent(uri, error)
    if status in (301, 307) or code in _ELSEWHERE:
        return Terminal(
            ARTIFACT_NOT_FOUND,
            f"the bucket of {shown(uri)} is in another region: set AWS_REGION in the Secret that "
            "spec.artifact.credentialsRef names",
        )
    if status in (408, 425, 429) or status >= 500:
        return Unreachable(f"{shown(uri)} answers {status}: the store is in trouble or busy")
    return Terminal(
        ARTIFACT_NOT_FOUND,
        f"{shown(uri)} answers {status}{f' ({code})' if code else ''}: correct spec.artifact.uri",
    )


def _absent(uri: str, error: BaseException) -> Terminal:
    code = _code_of(error)
    return Terminal(
        ARTIFACT_NOT_FOUND,
        f"there is nothing at {shown(uri)}{f' ({code})' if code else ''}: correct "
        "spec.artifact.uri, or put the object there; the URI of a folder ends with /",
    )


def _forbidden(uri: str, error: BaseException, credentials: Credentials) -> Terminal:
    code = _code_of(error)
    return Terminal(
        ARTIFACT_FORBIDDEN,
        f"{shown(uri)} may not be read{f' ({code})' if code else ''}: {credentials.hint()}",
    )


def _code_of(error: BaseException) -> str | None:
    found = _CODE.search(str(error))
    return found[1] if found else None
