"""What a webhook of a W&B automation says: whether it is W&B's, and what it is about. Pure.

W&B signs the body with the webhook's secret: `X-Wandb-Signature` is its HMAC-SHA256. Its docs show
that in base64; receivers tell of hex as well, so both count. There is no time in it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from tidegate.artifacts.hint import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/webhooks/wandb"
PROJECT, COLLECTION = "project_name", "artifact_collection_name"
"""Names of what the body must say; W&B's own variables are called so."""
_SIGNATURE = "x-wandb-signature"


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check a delivery. `headers` by names in lower case.

    :raises Refused: no signature, or a wrong one.
    """
    given = headers.get(_SIGNATURE, "").strip()
    if not given:
        raise Refused("no signature: set Secret of the webhook in W&B to what the operator has")
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    forms = (base64.b64encode(wanted), wanted.hex().encode())
    if not any(hmac.compare_digest(given.encode(), form) for form in forms):
        raise Refused("the signature does not fit: the secrets differ, or the body was changed")


def collection_named(body: bytes) -> tuple[str, str] | None:
    """The project and the name of the artifact that a delivery is about; None where it is about
    none. The entity is left out: of a registry, people write it by another name."""
    try:
        found = json.loads(body)
        project, name = found[PROJECT], found[COLLECTION]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not (isinstance(project, str) and isinstance(name, str) and project and name):
        return None
    return project, name
