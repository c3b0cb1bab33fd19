"""What cases are replayed against: an embedded server in this process, or any real cluster."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from tests.conformance.fresh import fresh_server

from tidegate.local.cluster.pki import ensure_pki

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

TOKEN = "conformance-token"


@dataclass(frozen=True)
class Target:
    """A server that answers at `url`."""

    url: str
    token: str
    context: ssl.SSLContext | None
    kubeconfig: Path
    embedded: bool
    pace: float = 1.0
    """How many seconds one second of a recorded wait takes."""
    set_pace: Callable[[float], None] | None = None
    """Makes the server's watches last as long as that; None where it cannot be told."""
    compact: Callable[[int], Awaitable[None]] | None = None
    """Forgets the history before a revision; None where the API has no way to."""


@asynccontextmanager
async def embedded(scenario: str, folder: Path, *, pace: float) -> AsyncIterator[Target]:
    """A fresh embedded server for one scenario."""
    pki = await asyncio.to_thread(ensure_pki, folder)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            fresh_server(scenario, cert=pki.certificate, key=pki.key, token=TOKEN, pace=pace)
        )
        url = f"https://127.0.0.1:{server.port}"
        kubeconfig = folder / f"{scenario}.kubeconfig"
        authority = base64.b64encode(pki.authority.read_bytes()).decode()
        _write_kubeconfig(kubeconfig, url=url, authority=authority)
        context = ssl.create_default_context(cafile=str(pki.authority))
        yield Target(
            url,
            TOKEN,
            context,
            kubeconfig,
            embedded=True,
            pace=pace,
            set_pace=server.set_pace,
            compact=server.compact,
        )


def _write_kubeconfig(path: Path, *, url: str, authority: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": url, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(document, file)


def real(kubeconfig: Path, folder: Path) -> Target:
    """The cluster of a kubeconfig's current context, with its bearer token or client certificate.

    :raises ValueError: when the kubeconfig has no such context, or logs in some other way.
    """
    document = YAML(typ="safe", pure=True).load(kubeconfig.read_text())
    try:
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"]
    except (LookupError, TypeError) as error:
        raise ValueError(f"{kubeconfig}: no usable current context: {error}") from None
    token = user.get("token", "")
    certificate = user.get("client-certificate-data") or user.get("client-certificate")
    if not token and not certificate:
        raise ValueError(f"{kubeconfig}: the user has neither a token nor a client certificate")
    return Target(
        cluster["server"].rstrip("/"), token, _tls(cluster, user, folder), kubeconfig, False
    )


def _named(document: dict[str, Any], what: str, name: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {e["name"]: e for e in document[what]}
    return found[name]


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https"):
        return None
    authority = _file(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cafile=authority)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _file(user, "client-certificate", folder)
    if certificate:
        context.load_cert_chain(certificate, _file(user, "client-key", folder))
    return context


def _file(entry: dict[str, Any], name: str, folder: Path) -> str | None:
    data = entry.get(f"{name}-data")
    if data is None:
        path: str | None = entry.get(name)
        return path
    written = folder / f"{name}.pem"
    written.touch(mode=0o600)
    written.write_bytes(base64.b64decode(data))
    return str(written)
