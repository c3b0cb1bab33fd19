"""OpenAPI: the schemas of what is served, for `kubectl explain` and for validation by clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import PlainNotFound

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Registry
    from tidegate.local.apiserver.messages import HttpRequest, HttpResponse


class OpenApi:
    """Answers below `/openapi`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def handle(self, request: HttpRequest, path: str) -> HttpResponse:
        """Answer a request.

        :raises PlainNotFound: when there is no such document.
        """
        raise PlainNotFound
