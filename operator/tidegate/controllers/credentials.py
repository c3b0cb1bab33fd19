"""The Secret that an artifact's `credentialsRef` names: read when it is needed, kept nowhere.

The operator may `get` Secrets, never list or watch them, so nothing of them is in its cache. What
is read goes to the artifact's source and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials, decoded
from tidegate.artifacts.hosts import ANNOTATION, check_hosts, named_hosts
from tidegate.errors import Forbidden, NotFound, Terminal
from tidegate.kube.resources import SECRETS

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.kube.client import Client

CREDENTIALS_MISSING = "CredentialsMissing"
CREDENTIALS_FORBIDDEN = "CredentialsForbidden"


@dataclass(frozen=True)
class Secrets:
    """The Secrets that artifacts name. With `require_hosts` one that a Model sends to a server of
    its choice must say that it may go there; `registry` is the operator's own MLflow server."""

    client: Client
    require_hosts: bool = True
    registry: str | None = None

    async def of(self, artifact: Artifact, *, namespace: str) -> Credentials:
        """What the Secret that an artifact names says; nothing where it names none.

        :raises Terminal: CredentialsMissing, CredentialsForbidden, CredentialsInvalid;
            HostForbidden: it may not be sent where the artifact's URI leads.
        """
        if artifact.credentials_ref is None:
            return NO_CREDENTIALS
        found = await self._read(artifact.credentials_ref.name, namespace=namespace)
        self.check(artifact.uri, found)
        return found

    def check(self, uri: str, credentials: Credentials) -> None:
        """Check that credentials may be sent where a URI, or what it was resolved to, leads: pods
        fetch from there, and from nowhere else.

        :raises Terminal: HostForbidden.
        """
        check_hosts(uri, credentials, required=self.require_hosts, registry=self.registry)

    async def _read(self, name: str, *, namespace: str) -> Credentials:
        try:
            secret = await self.client.get(SECRETS, name, namespace=namespace)
        except NotFound:
            raise Terminal(
                CREDENTIALS_MISSING,
                f"there is no Secret {name!r} in namespace {namespace!r}, which "
                "spec.artifact.credentialsRef names: create it, or correct the name",
            ) from None
        except Forbidden:
            raise Terminal(
                CREDENTIALS_FORBIDDEN,
                f"the operator may not read the Secret {name!r} in namespace {namespace!r}: grant "
                "its service account `get` on secrets there (docs/artifacts.md)",
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
        said = secret["metadata"].get("annotations") or {}
        return decoded(name, held, hosts=named_hosts(said.get(ANNOTATION)))
