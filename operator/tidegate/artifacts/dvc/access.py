"""Which keys of a Secret are for the git repository, and which for DVC's remote. Pure.

For the repository: `token`, or `username` and `password`; `plain-http: "true"`, `ca.crt`. For the
remote: those of its scheme (docs/artifacts.md); of an http(s) remote `DVC_REMOTE_TOKEN`, or
`DVC_REMOTE_USER` and `DVC_REMOTE_PASSWORD`, and `DVC_REMOTE_URL`, the address that they are for:
whoever may write to the repository names any address there.
"""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal

REMOTE_UNSUPPORTED = "RemoteUnsupported"
REMOTE_SCHEMES = ("s3", "gs", "azure", "http", "https", "file")
_WEB = {
    "DVC_REMOTE_TOKEN": "token",
    "DVC_REMOTE_USER": "username",
    "DVC_REMOTE_PASSWORD": "password",
}
_OF_GIT = ("token", "username", "password")
_ANY_USER = "x-access-token"
"""Forges ask for no particular name beside a token."""


def git_authorization(credentials: Credentials) -> str | None:
    """The header that lets git in; None where the Secret has nothing for it.

    :raises Terminal: CredentialsInvalid: a name without a password.
    """
    if token := credentials.get("token"):
        pair = f"{_ANY_USER}:{token}"
    elif user := credentials.get("username"):
        pair = f"{user}:{credentials.need('password', why='which goes with username')}"
    else:
        return None
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def remote_credentials(remote: str, credentials: Credentials) -> Credentials:
    """What of a Secret is for a remote at an address: never what is for the repository.

    :raises Terminal: ArtifactForbidden: its login is for another address.
    """
    kept = {
        key: value
        for key, value in credentials.values.items()
        if key not in _OF_GIT and key not in _WEB
    }
    login = {_WEB[key]: value for key, value in credentials.values.items() if key in _WEB}
    if scheme_of(remote) in ("http", "https"):
        if not login and "ca.crt" not in kept:
            return Credentials()
        if login and not _is_below(remote, credentials.get("DVC_REMOTE_URL") or ""):
            raise Terminal(
                ARTIFACT_FORBIDDEN,
                f"the repository names the DVC remote {shown(remote)}, and the login in the Secret"
                f" {credentials.name!r} is not for it: set DVC_REMOTE_URL there to that address, if"
                " it may be sent there",
            )
        kept |= login
    return Credentials(credentials.name, kept)


def check_endpoint(endpoint: str | None, credentials: Credentials) -> None:
    """Whether keys of the Secret may go to the endpoint that the repository names for its remote.

    :raises Terminal: ArtifactForbidden.
    """
    allowed = credentials.get("AWS_ENDPOINT_URL")
    if endpoint is not None and endpoint.rstrip("/") != (allowed or "").rstrip("/"):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"the repository names the endpoint {shown(endpoint)} for its DVC remote, and"
            f" AWS_ENDPOINT_URL in the Secret of spec.artifact.credentialsRef is"
            f" {shown(allowed) if allowed else 'not set'}: set it to that address, if requests may"
            " be sent there",
        )


def _is_below(address: str, allowed: str) -> bool:
    one, other = urlsplit(address), urlsplit(allowed)
    same = (one.scheme, one.netloc) == (other.scheme, other.netloc)
    return same and f"{one.path.rstrip('/')}/".startswith(f"{other.path.rstrip('/')}/")
