"""Tokens of service accounts: JSON Web Tokens that this server signs and reads itself.

They are signed (HS256) and not stored, so one stays good over a restart of the server, until it
runs out or its service account goes. Knows no HTTP and no store.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

AUDIENCE = "https://kubernetes.default.svc"
_HEADER = {"alg": "HS256", "typ": "JWT"}
_CLAIM = "kubernetes.io"


@dataclass(frozen=True)
class Claims:
    """What a token says. An empty `uid` means whatever service account has that name."""

    namespace: str
    name: str
    uid: str = ""
    expires: datetime | None = None
    audiences: tuple[str, ...] = (AUDIENCE,)


class ServiceAccountTokens:
    """Signs and reads tokens with one key."""

    def __init__(self, key: bytes) -> None:
        """`key` must be secret and stay the same over restarts."""
        self._key = key

    def issue(self, claims: Claims, *, issued: datetime | None = None) -> str:
        """A token. The same claims make the same token."""
        account = {"name": claims.name, **({"uid": claims.uid} if claims.uid else {})}
        body: dict[str, object] = {
            "iss": AUDIENCE,
            "aud": list(claims.audiences),
            "sub": f"system:serviceaccount:{claims.namespace}:{claims.name}",
            _CLAIM: {"namespace": claims.namespace, "serviceaccount": account},
        }
        if issued is not None:
            body["iat"] = body["nbf"] = int(issued.timestamp())
        if claims.expires is not None:
            body["exp"] = int(claims.expires.timestamp())
        signed = f"{_encode(orjson.dumps(_HEADER))}.{_encode(orjson.dumps(body))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> Claims | None:
        """What the token says; None when this server did not sign it."""
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(
            signature.encode(errors="replace"), self._signature(signed).encode()
        ):
            return None
        try:
            body = orjson.loads(_decode(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        account = body[_CLAIM]["serviceaccount"]
        expires = datetime.fromtimestamp(body["exp"], UTC) if "exp" in body else None
        audiences: Sequence[str] = body["aud"]
        return Claims(
            namespace=body[_CLAIM]["namespace"],
            name=account["name"],
            uid=account.get("uid", ""),
            expires=expires,
            audiences=tuple(audiences),
        )

    def _signature(self, text: str) -> str:
        return _encode(hmac.new(self._key, text.encode(errors="replace"), "sha256").digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
