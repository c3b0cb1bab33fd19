"""Paths that are no resources: health, version, discovery, OpenAPI, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import answering
from tidegate.local.apiserver.discovery import Discovery
from tidegate.local.apiserver.errors import PlainNotFound
from tidegate.local.apiserver.openapi import OpenApi

if TYPE_CHECKING:
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.messages import HttpRequest, HttpResponse, User

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+tidegate",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}


_METRICS_MEDIA = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"


class NonResource:
    """Answers everything that is not a resource."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._discovery = Discovery(server.cluster.registry)
        self._openapi = OpenApi(server.cluster.registry)

    def handle(self, request: HttpRequest, user: User) -> HttpResponse:
        """Answer a request.

        :raises PlainNotFound: when there is no such path.
        """
        path = "/" + request.path.strip("/")
        if request.method not in ("GET", "HEAD"):
            raise PlainNotFound
        if path.split("/")[1] in ("healthz", "livez", "readyz"):
            return self._health(request, path)
        if path == "/version":
            return answering.json_answer(200, VERSION)
        if path == "/metrics":
            return self._metrics()
        if path.startswith("/openapi/"):
            return self._openapi.handle(request, path)
        return self._discovery.handle(request, path)

    def _health(self, request: HttpRequest, path: str) -> HttpResponse:
        if "verbose" in request.query:
            return answering.plain(200, f"[+]ping ok\n[+]store ok\n{path[1:]} check passed\n")
        return answering.plain(200, "ok")

    def _metrics(self) -> HttpResponse:
        """What was asked of this server, in Prometheus' text format."""
        lines = [
            "# HELP tidegate_apiserver_requests_total Requests answered.",
            "# TYPE tidegate_apiserver_requests_total counter",
        ]
        for (user, verb, resource, code), count in sorted(self._server.requests.items()):
            labels = (
                f'user="{_quoted(user)}",verb="{verb}",resource="{_quoted(resource)}",code="{code}"'
            )
            lines.append(f"tidegate_apiserver_requests_total{{{labels}}} {count}")
        store = self._server.store
        lines += [
            "# TYPE tidegate_apiserver_writes_total counter",
            f"tidegate_apiserver_writes_total {store.writes}",
            "# TYPE tidegate_apiserver_revision gauge",
            f"tidegate_apiserver_revision {store.revision}",
            "# TYPE tidegate_apiserver_watches gauge",
            f"tidegate_apiserver_watches {self._server.cluster.hub.count()}",
        ]
        answer = answering.plain(200, "\n".join(lines) + "\n")
        answer.headers["content-type"] = _METRICS_MEDIA
        return answer


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
