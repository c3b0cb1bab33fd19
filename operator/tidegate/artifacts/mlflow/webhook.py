"""What an MLflow webhook says: whether it is MLflow's, and which model it is about. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from tidegate.artifacts.hint import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/webhooks/mlflow"
FRESH_S = 300.0
"""How far a delivery's time may be from ours, in seconds."""
_ID, _TIME, _SIGNATURE = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
_VERSION = "v1,"


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Check a delivery: `X-MLflow-Signature` is `v1,` and the base64 of the HMAC-SHA256 of
    `{delivery id}.{timestamp}.{body}`. `headers` by names in lower case, `now` in unix seconds.

    :raises Refused: no signature, a wrong one, or one of another time.
    """
    delivery, stamp, given = (headers.get(name, "") for name in (_ID, _TIME, _SIGNATURE))
    if not given.startswith(_VERSION):
        raise Refused("no signature: give the webhook in MLflow the secret that the operator has")
    try:
        found = base64.b64decode(given.removeprefix(_VERSION), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("the signature is no base64") from None
    content = f"{delivery}.{stamp}.".encode() + body
    wanted = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    if not hmac.compare_digest(found, wanted):
        raise Refused("the signature does not fit: the secrets differ, or the body was changed")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > FRESH_S:
        raise Refused("the time of the delivery is over five minutes from ours: compare the clocks")


def model_named(body: bytes) -> str | None:
    """The registered model that a delivery is about; None where it is about none."""
    try:
        found = json.loads(body)
        name = found["data"]["name"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None
