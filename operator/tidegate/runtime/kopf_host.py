"""kopf as the host of our watches, and nothing more.

It logs in with our credentials and puts each event into the cache. kopf's change handlers, timers,
daemons, indices, patches, finalizers, peering and events are not used: they write to objects. The
registry is explicit; nothing is registered by importing.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import kopf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidegate.kube.credentials import Credentials, TokenSource
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache
    from tidegate.runtime.owners import Watched

_SILENCE_S = 70.0
"""API servers send a bookmark every 60 s, so a stream that is silent for longer is dead."""
_SERVER_TIMEOUT_S = 300
_REQUEST_TIMEOUT_S = 30.0
_LOGIN_LASTS = timedelta(minutes=10)

_of_kopf: ContextVar[bool] = ContextVar("tidegate_of_kopf", default=False)
"""True in the tasks that kopf starts: tasks inherit their creator's context."""


def settings_for(watched: Sequence[Watched]) -> kopf.OperatorSettings:
    """Return kopf's settings: time limits everywhere, filters on the server, no writes at all."""
    settings = kopf.OperatorSettings()
    settings.process.ultimate_exiting_timeout = None
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.inactivity_timeout = _SILENCE_S
    settings.watching.server_timeout = _SERVER_TIMEOUT_S
    settings.watching.client_timeout = _SERVER_TIMEOUT_S + _REQUEST_TIMEOUT_S
    settings.watching.connect_timeout = 10.0
    settings.networking.request_timeout = _REQUEST_TIMEOUT_S
    settings.networking.connect_timeout = 10.0
    settings.queueing.idle_timeout = 1.0
    for one in watched:
        if one.label_selector is not None:
            key = (one.res.group, one.res.version, one.res.plural)
            settings.watching.label_selectors[key] = one.label_selector
    return settings


def registry_for(
    watched: Sequence[Watched], *, cache: Cache, credentials: Credentials, token: TokenSource
) -> kopf.OperatorRegistry:
    """Return a registry that logs in by `credentials` and feeds `cache`."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, retries=5, backoff=2.0)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await _connection(credentials, token)

    for one in watched:
        res = one.res
        kopf.on.event(
            res.group, res.version, res.plural, registry=registry, id=f"watch-{res.plural}"
        )(_feeder(cache, res))
    return registry


async def run(
    watched: Sequence[Watched],
    *,
    cache: Cache,
    credentials: Credentials,
    token: TokenSource,
    namespaces: Sequence[str],
    stop: asyncio.Event,
    on_started: Callable[[], None],
) -> None:
    """Feed `cache` until `stop` is set; raises what broke a watch for good.

    `namespaces` empty means all. These are the two halves of `kopf.operator`, taken apart because
    between them kopf takes SIGTERM for itself: `on_started` may take it back, so that reconciles
    are finished before the watches end. Run it in a task of its own (it marks its context).
    """
    _of_kopf.set(True)
    tasks = await kopf.spawn_tasks(
        registry=registry_for(watched, cache=cache, credentials=credentials, token=token),
        settings=settings_for(watched),
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        standalone=True,
        stop_flag=stop,
    )
    on_started()
    await kopf.run_tasks(tasks, ignored=_Foreign())


class _Foreign:
    """All tasks that kopf did not start. On its way out kopf cancels every task it does not know,
    connections of our HTTP server and the release of the lease included."""

    def __contains__(self, task: object) -> bool:
        return isinstance(task, asyncio.Task) and not task.get_context().get(_of_kopf, False)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _feeder(cache: Cache, res: Resource) -> Any:
    async def feed(event: Any, **_: Any) -> None:
        obj = event["object"]
        obj = {"apiVersion": res.api_version, "kind": res.kind, **obj}
        cache.heard(res, obj)
        cache.note(res, obj, deleted=event["type"] == "DELETED")

    return feed


async def _connection(credentials: Credentials, token: TokenSource) -> kopf.ConnectionInfo:
    changes = credentials.token_file is not None or credentials.exec_user is not None
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_data=credentials.ca_pem,
        insecure=credentials.insecure,
        certificate_data=credentials.certificate_pem,
        private_key_data=credentials.key_pem,
        token=await token.current(),
        default_namespace=credentials.namespace,
        # Tokens that are replaced on disk are asked for again, long before the old one runs out.
        expiration=datetime.now(UTC) + _LOGIN_LASTS if changes else None,
    )
