"""What a request is answered with, on whichever port."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.serving import protocol

_JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `allow` lists the methods in a 405; `retry_after` is in seconds, 0 for none."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    allow: bytes = b""
    retry_after: int = 0


def error(status: int, message: str, *, allow: bytes = b"", retry_after: int = 0) -> Answer:
    """An answer with the protocol's error body."""
    return Answer(status, protocol.encode_error(message), allow=allow, retry_after=retry_after)
