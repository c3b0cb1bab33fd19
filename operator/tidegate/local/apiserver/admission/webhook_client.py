"""Asks webhooks over HTTPS: at a URL, or at the endpoints of a Service. Decides nothing.

What goes wrong is worded as a real server words it, since that is what people search for.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from tidegate.local.apiserver.decoding import MAX_BODY, json_type
from tidegate.local.apiserver.strings import go_quoted

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Store

_SERVICES = "/services"
_SLICES = "discovery.k8s.io/endpointslices"
_SERVICE_LABEL = "kubernetes.io/service-name"
_AGENT = "kube-apiserver-admission"
_MOST_CONTEXTS = 64
_TYPE_META = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)


class CallFailed(Exception):
    """A webhook gave no answer that can be used; the text says why."""


@dataclass(frozen=True)
class _Target:
    """Where to send a request, and what it is called in messages."""

    url: str
    shown: str
    server_name: str | None = None


class WebhookClient:
    """Sends reviews. One for all webhooks of a server; close it with the server."""

    def __init__(self, store: Store) -> None:
        """`store` has the Services that webhooks may be behind."""
        self._store = store
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Let go of every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def review(self, client_config: Obj, body: Obj, *, timeout_s: int) -> Obj:
        """The review that a webhook answered with.

        :raises CallFailed: when it did not, within `timeout_s` seconds.
        """
        target = self._target(client_config, timeout_s)
        context = self._context(str(client_config.get("caBundle") or ""))
        try:
            async with asyncio.timeout(timeout_s):
                status, text = await self._post(target, context, orjson.dumps(body))
        except TimeoutError as error:
            raise CallFailed(f"{_post(target)}: context deadline exceeded") from error
        except aiohttp.ClientConnectorCertificateError as error:
            why = f"tls: failed to verify certificate: x509: {_certificate_problem(error)}"
            raise CallFailed(f"{_post(target)}: {why}") from error
        except aiohttp.ClientConnectorDNSError as error:
            why = f"dial tcp: lookup {error.host}: no such host"
            raise CallFailed(f"{_post(target)}: {why}") from error
        except aiohttp.ClientConnectorError as error:
            code = error.os_error.errno
            why = os.strerror(code).lower() if code else str(error.os_error)
            why = f"dial tcp {error.host}:{error.port}: connect: {why}"
            raise CallFailed(f"{_post(target)}: {why}") from error
        except (aiohttp.ClientError, ssl.SSLError, ConnectionError) as error:
            raise CallFailed(f"{_post(target)}: {error or type(error).__name__}") from error
        if status != 200:
            raise CallFailed(_refusal(status, text))
        return _review(text)

    async def _post(
        self, target: _Target, context: ssl.SSLContext, body: bytes
    ) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {
            "User-Agent": _AGENT,
            "Accept": "application/json, */*",
            "Content-Type": "application/json",
        }
        async with self._session.post(
            target.url,
            data=body,
            headers=headers,
            ssl=context,
            server_hostname=target.server_name,
            allow_redirects=False,
        ) as answer:
            text = await answer.content.read(MAX_BODY + 1)
            while text and len(text) <= MAX_BODY:
                more = await answer.content.read(MAX_BODY + 1)
                if not more:
                    break
                text += more
            if len(text) > MAX_BODY:
                raise CallFailed(f"the answer is larger than {MAX_BODY} bytes")
            return answer.status, text

    def _context(self, bundle: str) -> ssl.SSLContext:
        known = self._contexts.get(bundle)
        if known is not None:
            return known
        try:
            pem = base64.b64decode(bundle).decode("ascii") if bundle else None
            context = ssl.create_default_context(cadata=pem)
        except (binascii.Error, ValueError, ssl.SSLError) as error:
            raise CallFailed(
                "unable to load root certificates: unable to parse bytes as PEM block"
            ) from error
        # Authorities made for a test often lack what RFC 5280 wants of them; Go does not mind.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if len(self._contexts) >= _MOST_CONTEXTS:
            self._contexts.clear()
        self._contexts[bundle] = context
        return context

    def _target(self, client_config: Obj, timeout_s: int) -> _Target:
        url = client_config.get("url")
        if url:
            full = f"{url}{'&' if '?' in url else '?'}timeout={timeout_s}s"
            return _Target(full, full)
        service = client_config["service"]
        namespace, name = str(service["namespace"]), str(service["name"])
        port = int(service.get("port") or 443)
        path = "/" + str(service.get("path") or "").lstrip("/")
        host, real_port = self._endpoint(namespace, name, port)
        server = f"{name}.{namespace}.svc"
        query = f"{path}?timeout={timeout_s}s"
        return _Target(
            f"https://{host}:{real_port}{query}", f"https://{server}:{port}{query}", server
        )

    def _endpoint(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """An address and port of a pod that is ready behind the Service."""
        record = self._store.get(_SERVICES, namespace, name)
        if record is None:
            raise CallFailed(f'service "{name}" not found')
        ports = (record.decode().get("spec") or {}).get("ports") or ()
        wanted = next((p for p in ports if p.get("port") == port), None)
        if wanted is None:
            raise CallFailed(f'no service port {port} found for service "{name}"')
        for found in self._store.collection(_SLICES).select(namespace):
            if found.labels.get(_SERVICE_LABEL) == name:
                address = _ready_address(found.decode(), str(wanted.get("name") or ""))
                if address is not None:
                    return address
        raise CallFailed(f'no endpoints available for service "{name}"')


def _ready_address(slice_: Obj, port_name: str) -> tuple[str, int] | None:
    ports = [p for p in slice_.get("ports") or () if (p.get("name") or "") == port_name]
    for endpoint in slice_.get("endpoints") or ():
        if ports and (endpoint.get("conditions") or {}).get("ready", True):
            return str(endpoint["addresses"][0]), int(ports[0]["port"])
    return None


def _post(target: _Target) -> str:
    return f'Post "{target.shown}"'


def _certificate_problem(error: aiohttp.ClientConnectorCertificateError) -> str:
    inner = error.certificate_error
    why = str(getattr(inner, "verify_message", "") or inner)
    if "self-signed" in why or "local issuer" in why:
        return "certificate signed by unknown authority"
    return why


def _refusal(status: int, text: bytes) -> str:
    if status >= 500:
        said = text.decode("utf-8", "replace").strip()[:2048] or "unknown"
        return (
            f"an error on the server ({go_quoted(said)}) has prevented the request from succeeding"
        )
    if status == 404:
        return "the server could not find the requested resource"
    return f"the server rejected our request for an unknown reason (status {status})"


def _review(text: bytes) -> Obj:
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        first = text[:1].decode("utf-8", "replace")
        why = "unexpected end of JSON input"
        if text.strip():
            why = f"invalid character '{first}' looking for beginning of value"
        raise CallFailed(f"couldn't get version/kind; json parse error: {why}") from error
    if not isinstance(found, dict):
        raise CallFailed(
            "couldn't get version/kind; json parse error: json: cannot unmarshal "
            f"{json_type(found)} into Go value of type {_TYPE_META}"
        )
    return found
