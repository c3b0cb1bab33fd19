"""The Secret that an artifact's `credentialsRef` names: read when it is needed, kept nowhere.

The operator may `get` Secrets, never list or watch them, so nothing of them is in its cache. What
is read goes to the artifact's source and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials, decoded
from tidegate.errors import Forbidden, NotFound, Terminal
from tidegate.kube.resources import SECRETS

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.kube.client import Client

CREDENTIALS_MISSING = "CredentialsMissing"
CREDENTIALS_FORBIDDEN = "CredentialsForbidden"


async def credentials_of(artifact: Artifact, *, namespace: str, client: Client) -> Credentials:
    """What the Secret that an artifact names says; nothing where it names none.

    :raises Terminal: CredentialsMissing, CredentialsForbidden, CredentialsInvalid.
    """
    if artifact.credentials_ref is None:
        return NO_CREDENTIALS
    name = artifact.credentials_ref.name
    try:
        secret = await client.get(SECRETS, name, namespace=namespace)
    except NotFound:
        raise Terminal(
            CREDENTIALS_MISSING,
            f"there is no Secret {name!r} in namespace {namespace!r}, which "
            "spec.artifact.credentialsRef names: create it, or correct the name",
        ) from None
    except Forbidden:
        raise Terminal(
            CREDENTIALS_FORBIDDEN,
            f"the operator may not read the Secret {name!r} in namespace {namespace!r}: grant its "
            "service account `get` on secrets there (docs/artifacts.md)",
        ) from None
    try:
        held = {
            key: base64.b64decode(value, validate=True)
            for key, value in (secret.get("data") or {}).items()
        }
    except (binascii.Error, TypeError):
        raise Terminal(
            CREDENTIALS_MISSING, f"the Secret {name!r} does not hold base64 text: write it anew"
        ) from None
    return decoded(name, held)
