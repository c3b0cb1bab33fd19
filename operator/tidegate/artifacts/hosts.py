"""To which servers what stands in a Secret may be sent: those that the Secret itself names. Pure.

Whoever may write Models chooses a URI, and so could have any Secret of the namespace sent to a
server of their own. Whoever keeps the Secret says where it may go, in an annotation: hosts with
commas between, `.example.com` for all below example.com, `host:port` for one port alone. Where a
URI is http://, whoever is between can read along: that takes an entry with the port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.artifacts.uri import is_this_machine, scheme_of
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials

ANNOTATION = "tidegate.dev/hosts"
HOST_FORBIDDEN = "HostForbidden"

_PORTS = {"http": 80, "https": 443, "oci": 443, "dvc": 443}
_BY_URI = {
    "http": ("token", "username"),
    "https": ("token", "username"),
    "dvc": ("token", "username"),
    "oci": ("username",),
}
"""Schemes whose URI names the server, with the keys that it is told the values of. A login of
.dockerconfigjson is not among them: it is for the registry that it names."""
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL", "https://s3.amazonaws.com"),
    "gs": ("GCS_BASE_URL", "https://storage.googleapis.com"),
    "hf": ("HF_ENDPOINT", "https://huggingface.co"),
    "wandb": ("WANDB_BASE_URL", "https://api.wandb.ai"),
}
"""Schemes whose server the Secret names, by which key, and which it is where it does not."""


def named_hosts(annotation: str | None) -> tuple[str, ...] | None:
    """The hosts that an annotation lists, None where there is no annotation."""
    if annotation is None:
        return None
    return tuple(each.strip().lower() for each in annotation.split(",") if each.strip())


def check_hosts(
    uri: str, credentials: Credentials, *, required: bool, registry: str | None = None
) -> None:
    """Check that a Secret may be sent to the server that a URI, or its location, leads to. Where
    the Secret or the operator names the server, `required` asks for no annotation. `registry` is
    the operator's own MLflow server.

    :raises Terminal: HostForbidden, naming the server and the mend.
    """
    server = _server(uri, credentials, registry)
    if not credentials or server is None:
        return
    plain = scheme_of(uri) == "http" and not is_this_machine(server[0])
    where = _written(server, plain=plain)
    if credentials.hosts is None:
        if required and credentials.first(*_BY_URI.get(scheme_of(uri), ())) is not None:
            raise Terminal(
                HOST_FORBIDDEN,
                f"the Secret {credentials.name!r} does not say to which servers it may be sent, and"
                f" {where} is named by the Model: whoever keeps the Secret allows that by `kubectl"
                f" annotate secret {credentials.name} {ANNOTATION}={where}`",
            )
        return
    if not any(_is_meant(one, server, plain=plain) for one in credentials.hosts):
        allowed = ", ".join(credentials.hosts) or "no server at all"
        raise Terminal(
            HOST_FORBIDDEN,
            f"the Secret {credentials.name!r} may be sent to {allowed[:300]} (its annotation"
            f" {ANNOTATION}), and not to {where}{' without TLS' if plain else ''}: correct the"
            " address, or have whoever keeps the Secret add the host",
        )


def _server(uri: str, credentials: Credentials, registry: str | None) -> tuple[str, int] | None:
    """Host and port of the server that is told something; None where none is."""
    scheme = scheme_of(uri)
    if scheme in _ENDPOINTS:
        key, usual = _ENDPOINTS[scheme]
        return _host_and_port(credentials.get(key) or usual)
    if scheme in ("az", "azure"):
        account = credentials.get("AZURE_STORAGE_ACCOUNT_NAME")
        usual = f"https://{account}.blob.core.windows.net"
        return _host_and_port(credentials.get("AZURE_STORAGE_ENDPOINT") or usual)
    if scheme == "models":
        server = credentials.get("MLFLOW_TRACKING_URI") or registry
        return _host_and_port(server) if server else None
    outer, _, inner = scheme.rpartition("+")
    if outer == "dvc" and credentials.first("DVC_REMOTE_TOKEN", "DVC_REMOTE_USER") is None:
        return None  # what is for the repository is not sent to its remote
    if inner in _PORTS:
        return _host_and_port(uri)
    return None


def _host_and_port(address: str) -> tuple[str, int]:
    """An address that two programs could read as two hosts is none that is allowed."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", 0
    if not host.isascii() or "\\" in address or not host.isprintable():
        return "", 0
    return host, port or _PORTS.get(parts.scheme.rpartition("+")[2], 443)


def _is_meant(entry: str, server: tuple[str, int], *, plain: bool) -> bool:
    host, port = server
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit():
        entry = name
        if port != int(number):
            return False
    elif plain:
        return False
    entry = entry.strip("[]")
    return bool(host) and (host == entry or (entry.startswith(".") and host.endswith(entry)))


def _written(server: tuple[str, int], *, plain: bool) -> str:
    host, port = server
    if not host:
        return "what no host can be read from"
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (80, 443) and not plain else f"{shown}:{port}"
