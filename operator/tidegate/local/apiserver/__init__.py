"""The embedded Kubernetes API server: `ApiServer` without HTTP, and `serve` in front of it.

api = ApiServer(Store.open(path), users={token: User("admin", ("system:masters",))})
await api.start()
running = await serve(api, host="127.0.0.1", port=0, cert=cert, key=key)
...
await running.close()
await api.stop()
"""

from __future__ import annotations

from tidegate.local.apiserver.core import ApiServer
from tidegate.local.apiserver.front import RunningServer, serve
from tidegate.local.apiserver.messages import (
    ADMIN,
    ADMIN_TOKEN,
    HttpRequest,
    HttpResponse,
    LogProvider,
    User,
)
from tidegate.local.apiserver.store import Store

__all__ = [
    "ADMIN",
    "ADMIN_TOKEN",
    "ApiServer",
    "HttpRequest",
    "HttpResponse",
    "LogProvider",
    "RunningServer",
    "Store",
    "User",
    "serve",
]
