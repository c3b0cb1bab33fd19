"""How a registry wants to be asked: over TLS or not, with a name and password, with tokens of its
own.

Keys of the Secret: `username` and `password`, or `.dockerconfigjson` (a Secret of type
`kubernetes.io/dockerconfigjson`, the same that pulls images); `plain-http: "true"` for a registry
without TLS, which one on this machine is taken for anyway; `ca.crt` of an authority of one's own.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from tidegate.artifacts.credentials import CREDENTIALS_INVALID, Credentials
from tidegate.artifacts.uri import is_this_machine
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Generator

    from tidegate.artifacts.oci.reference import Reference

_DOCKER_HUB = "docker.io"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_TOKEN_BYTES = 64 * 1024


def base_url(reference: Reference, credentials: Credentials) -> str:
    """The address below which a repository's manifests and blobs are."""
    registry = reference.registry
    host = urlsplit(f"//{registry}").hostname or ""
    plain = is_this_machine(host) or credentials.get("plain-http") == "true"
    if registry == _DOCKER_HUB:
        registry = "registry-1.docker.io"
    return f"{'http' if plain else 'https'}://{registry}/v2/{reference.repository}"


def login(reference: Reference, credentials: Credentials) -> httpx.BasicAuth | None:
    """The name and password for a registry; None where the Secret has none.

    :raises Terminal: CredentialsInvalid.
    """
    if user := credentials.get("username"):
        why = "which goes with username"
        return httpx.BasicAuth(user, credentials.need("password", why=why))
    if config := credentials.get(".dockerconfigjson"):
        return _from_docker(config, reference.registry, credentials)
    return None


def _from_docker(config: str, registry: str, credentials: Credentials) -> httpx.BasicAuth:
    hub = ("https://index.docker.io/v1/", "index.docker.io") if registry == _DOCKER_HUB else ()
    names = {registry, f"https://{registry}", f"https://{registry}/v1/", *hub}
    try:
        entries = json.loads(config)["auths"]
        entry = next((entries[name] for name in names if name in entries), None)
        if entry is None:
            raise Terminal(
                CREDENTIALS_INVALID,
                f".dockerconfigjson in the Secret {credentials.name!r} names no login for "
                f"{registry}: add one (`kubectl create secret docker-registry`)",
            )
        if "auth" in entry:
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        else:
            user, password = entry["username"], entry["password"]
        return httpx.BasicAuth(user, password)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise Terminal(
            CREDENTIALS_INVALID,
            f".dockerconfigjson in the Secret {credentials.name!r} cannot be read: make it anew "
            "with `kubectl create secret docker-registry`",
        ) from None


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenge: with the login, or with a token that its own server gives
    for it.

    For small answers alone: httpx reads each as a whole. `header` is what a request for a blob
    sends, once a manifest was had.
    """

    requires_response_body = True

    def __init__(self, basic: httpx.BasicAuth | None) -> None:
        self._basic = basic
        self.header: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.header is not None:
            request.headers["authorization"] = self.header
        answer = yield request
        if answer.status_code != 401:
            return
        kind, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
        told = dict(_PARAMETER.findall(rest))
        if kind.lower() == "bearer" and "realm" in told:
            if urlsplit(told["realm"]).scheme != request.url.scheme != "http":
                return  # a login does not leave TLS
            asked = {key: told[key] for key in ("service", "scope") if key in told}
            token = yield self._signed(httpx.Request("GET", told["realm"], params=asked))
            self.header = _bearer(token)
        elif kind.lower() == "basic" and self._basic is not None:
            self.header = self._signed(httpx.Request("GET", request.url)).headers["authorization"]
        if self.header is not None:
            request.headers["authorization"] = self.header
            yield request

    def _signed(self, request: httpx.Request) -> httpx.Request:
        if self._basic is None:
            return request
        return next(self._basic.auth_flow(request))


def _bearer(answer: httpx.Response) -> str | None:
    if answer.status_code != 200 or len(answer.content) > _TOKEN_BYTES:
        return None
    try:
        said = answer.json()
        token = said.get("token") or said.get("access_token")
    except (ValueError, AttributeError):
        return None
    return f"Bearer {token}" if isinstance(token, str) else None
