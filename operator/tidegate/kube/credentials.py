"""Where the API server is and how to show who asks: kubeconfig files and service accounts.

Reads files and, for `exec` users, runs their command; sends nothing. Tokens that change (mounted
service accounts, `exec`) are read again before they run out. Only bearer tokens, client
certificates and impersonation are understood; anything else is refused with what to do instead.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import ssl
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from tidegate.errors import Terminal

NOT_CONFIGURED = "KubeconfigInvalid"
"""Reason of the Terminal error when no usable credentials were found."""

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_REREAD_S = 60.0
_EXEC_TIMEOUT_S = 60.0
_EXPIRY_MARGIN_S = 60.0
_IN_HEADER_NAMES = "!#$&'*+-.^_`|~"
"""What names of headers may hold besides letters and digits; the rest is written as %XX."""
_EXEC_API_VERSION = "client.authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class ExecUser:
    """A command that prints an ExecCredential with a token (cloud providers' log-in)."""

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = _EXEC_API_VERSION


@dataclass(frozen=True, slots=True)
class Acting:
    """Whom the user acts as: `as`, `as-groups`, `as-uid` and `as-user-extra` of a kubeconfig."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """What tells the API server so; a name comes as often as it has values."""
        found = [("impersonate-user", self.user)]
        found += [("impersonate-group", group) for group in self.groups]
        found += [("impersonate-uid", self.uid)] if self.uid else []
        names = [(quote(name, safe=_IN_HEADER_NAMES), value) for name, value in self.extra]
        return found + [(f"impersonate-extra-{name}", value) for name, value in names]


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach one API server as one user."""

    server: str
    namespace: str = "default"
    ca_pem: str | None = None
    insecure: bool = False
    certificate_pem: str | None = None
    key_pem: str | None = None
    token: str | None = None
    token_file: Path | None = None
    exec_user: ExecUser | None = None
    acting: Acting | None = None
    user: str = ""
    """What the kubeconfig calls the user: a name for people, which the server does not know."""


def from_environment() -> Credentials:
    """KUBECONFIG first, then the pod's service account, then ~/.kube/config.

    Raises Terminal(KubeconfigInvalid) when there is none, or it cannot be used.
    """
    if os.environ.get("KUBECONFIG"):
        return from_kubeconfig()
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (_SERVICE_ACCOUNT / "token").exists():
        return from_service_account()
    return from_kubeconfig()


def from_service_account(folder: Path = _SERVICE_ACCOUNT) -> Credentials:
    """Use the service account that Kubernetes mounts into every pod."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise Terminal(
            NOT_CONFIGURED,
            "not running in a pod with a service account; set KUBECONFIG to a kubeconfig file",
        )
    namespace = folder / "namespace"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        ca_pem=(folder / "ca.crt").read_text(),
        token_file=folder / "token",
    )


def from_kubeconfig(path: Path | str | None = None, *, context: str | None = None) -> Credentials:
    """Read a kubeconfig: `path`, else the files of KUBECONFIG, else ~/.kube/config.

    Where several files define a name, the first one counts, as for kubectl.
    """
    if path is not None:
        paths = [Path(path)]
    else:
        listed = os.environ.get("KUBECONFIG", "")
        paths = [Path(part) for part in listed.split(os.pathsep) if part]
        paths = paths or [Path.home() / ".kube" / "config"]
    config = _merged([found for found in paths if found.exists()])
    if not config["clusters"]:
        where = os.pathsep.join(str(one) for one in paths)
        raise Terminal(NOT_CONFIGURED, f"no cluster in {where}; set KUBECONFIG to a kubeconfig")
    chosen = context or config["current-context"] or ""
    entry = _entry(config, "contexts", chosen)
    cluster = _entry(config, "clusters", str(entry.get("cluster", "")))
    user = _entry(config, "users", str(entry["user"])) if entry.get("user") else {}
    found = _credentials(cluster, user, namespace=str(entry.get("namespace") or "default"))
    return replace(found, user=str(entry.get("user") or ""))


def ssl_context(credentials: Credentials) -> ssl.SSLContext | bool:
    """Return the TLS settings; True (unused) for a server that is reached over plain HTTP."""
    if not credentials.server.startswith("https:"):
        return True
    context = ssl.create_default_context(cadata=credentials.ca_pem)
    if credentials.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.certificate_pem and credentials.key_pem:
        # OpenSSL reads key pairs from files only: this one lives as long as the call.
        with tempfile.NamedTemporaryFile("w", prefix="tidegate-", suffix=".pem") as pair:
            pair.write(f"{credentials.certificate_pem}\n{credentials.key_pem}\n")
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


class TokenSource:
    """The bearer token to send now: fixed, from a file that is re-read, or from a command."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token = credentials.token
        self._valid_until = 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> str | None:
        """Return the token, or None when the user has none (a client certificate, or nobody).

        Raises Terminal when a command that should print one fails.
        """
        source = self._credentials
        if source.token_file is None and source.exec_user is None:
            return self._token
        async with self._lock:
            if time.monotonic() < self._valid_until:
                return self._token
            if source.token_file is not None:
                text = await asyncio.to_thread(source.token_file.read_text)
                self._token, lifetime = text.strip(), _TOKEN_REREAD_S
            elif source.exec_user is not None:
                self._token, lifetime = await _run(source.exec_user)
            self._valid_until = time.monotonic() + lifetime
            return self._token


async def _run(user: ExecUser) -> tuple[str, float]:
    """Run a credential command; return its token and for how many seconds to keep it."""
    ask = {"apiVersion": user.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {**os.environ, **dict(user.env), "KUBERNETES_EXEC_INFO": orjson.dumps(ask).decode()}
    try:
        process = await asyncio.create_subprocess_exec(
            *user.command, env=env, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_EXEC_TIMEOUT_S):
            output, _ = await process.communicate()
        status = orjson.loads(output)["status"]
        token = str(status["token"])
    except (OSError, TimeoutError, KeyError, orjson.JSONDecodeError) as error:
        raise Terminal(
            NOT_CONFIGURED, f"{user.command[0]} gave no token; run it by hand to see why"
        ) from error
    expires = status.get("expirationTimestamp")
    if not expires:
        return token, 3600.0
    left = datetime.fromisoformat(str(expires)).timestamp() - time.time()
    return token, max(1.0, left - _EXPIRY_MARGIN_S)


def _merged(paths: list[Path]) -> dict[str, Any]:
    # Imported only here: a pod has no kubeconfig, and it takes long.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    for path in paths:
        try:
            document = YAML(typ="safe", pure=True).load(path.read_text())
        except (OSError, YAMLError) as error:
            raise Terminal(NOT_CONFIGURED, f"{path} cannot be read: {error}") from error
        document = document if isinstance(document, dict) else {}
        for section, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for entry in document.get(section) or []:
                absolute = _absolute(entry.get(key) or {}, folder=path.parent)
                merged[section].setdefault(entry["name"], absolute)
        merged["current-context"] = merged["current-context"] or document.get("current-context", "")
    return merged


_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _absolute(entry: dict[str, Any], *, folder: Path) -> dict[str, Any]:
    """Paths in a kubeconfig are relative to its own folder."""
    return {
        key: str(folder / value) if key in _FILE_KEYS and value else value
        for key, value in entry.items()
    }


def _entry(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    found = config[section].get(name)
    if found is None:
        known = ", ".join(sorted(config[section])) or "none"
        raise Terminal(
            NOT_CONFIGURED, f"the kubeconfig has no {section[:-1]} {name!r}; it has: {known}"
        )
    return dict(found)


def _credentials(cluster: dict[str, Any], user: dict[str, Any], *, namespace: str) -> Credentials:
    for unsupported in ("auth-provider", "username"):
        if user.get(unsupported):
            raise Terminal(
                NOT_CONFIGURED,
                f"users[].{unsupported} is not supported; use a token, a client certificate "
                "or an exec command",
            )
    for unsupported in ("proxy-url", "tls-server-name"):
        if cluster.get(unsupported):
            raise Terminal(
                NOT_CONFIGURED,
                f"clusters[].{unsupported} is not supported; name an address that is reached "
                "without it",
            )
    return Credentials(
        server=str(cluster.get("server", "")).rstrip("/"),
        namespace=namespace,
        ca_pem=_pem(cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        certificate_pem=_pem(user, "client-certificate"),
        key_pem=_pem(user, "client-key"),
        token=user.get("token"),
        token_file=Path(user["tokenFile"]) if user.get("tokenFile") else None,
        exec_user=_exec_user(user["exec"]) if user.get("exec") else None,
        acting=_acting(user),
    )


def _acting(user: dict[str, Any]) -> Acting | None:
    """:raises Terminal: groups or more are named, and nobody to act as."""
    extra = user.get("as-user-extra") or {}
    found = Acting(
        user=str(user.get("as") or ""),
        groups=tuple(str(group) for group in user.get("as-groups") or ()),
        uid=str(user.get("as-uid") or ""),
        extra=tuple((name, str(value)) for name in extra for value in extra[name] or ()),
    )
    if not found.user and found != Acting(user=""):
        raise Terminal(
            NOT_CONFIGURED, "a user of the kubeconfig has as-groups or more without as: name whom"
        )
    return found if found.user else None


def _exec_user(entry: dict[str, Any]) -> ExecUser:
    env = tuple((item["name"], item["value"]) for item in entry.get("env") or [])
    return ExecUser(
        command=(str(entry["command"]), *(str(arg) for arg in entry.get("args") or [])),
        env=env,
        api_version=str(entry.get("apiVersion") or _EXEC_API_VERSION),
    )


def _pem(entry: dict[str, Any], key: str) -> str | None:
    """Return what stands in `<key>-data` (base64) or in the file that `<key>` names."""
    try:
        if encoded := entry.get(f"{key}-data"):
            return base64.b64decode(encoded).decode()
        return Path(entry[key]).read_text() if entry.get(key) else None
    except (OSError, binascii.Error, UnicodeDecodeError) as error:
        raise Terminal(
            NOT_CONFIGURED, f"{key} of the kubeconfig cannot be read: {error}"
        ) from error
