"""The tokens by which clients go on with a list: a revision, and where in the order to begin."""

from __future__ import annotations

import base64
import string
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver.errors import bad_request

if TYPE_CHECKING:
    from tidegate.local.apiserver.errors import ApiError


def encode(revision: int, start: str) -> str:
    """A token that continues a list as of a revision; -1 means whatever is there then."""
    text = orjson.dumps({"v": _TOKEN_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode(token: str) -> tuple[int, str]:
    """The revision and the place of a token.

    :raises ApiError: 400 when it is none of ours.
    """
    try:
        text = _decoded(token)
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        why = f"invalid character '{chr(text[0])}' looking for beginning of value"
        raise _bad_token(why if text else "unexpected end of JSON input") from error
    if not isinstance(value, dict) or value.get("v") != _TOKEN_VERSION:
        raise _bad_token("server does not recognize this encoded version")
    revision, start = value.get("rv"), value.get("start")
    if not isinstance(revision, int) or not revision:
        raise _bad_token(f"incorrect encoded start resourceVersion (version {_TOKEN_VERSION})")
    if not isinstance(start, str) or not start:
        raise _bad_token(f"encoded start key empty (version {_TOKEN_VERSION})")
    return revision, start


def _decoded(token: str) -> bytes:
    """The bytes of a token in URL-safe base64 without padding."""
    wrong = next((i for i, c in enumerate(token) if c not in _ALPHABET), None)
    if wrong is None and len(token) % 4 == 1:
        wrong = len(token) - 1
    if wrong is not None:
        raise _bad_token(f"illegal base64 data at input byte {wrong}")
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


_ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")
_TOKEN_VERSION = "meta.k8s.io/v1"


def _bad_token(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")
