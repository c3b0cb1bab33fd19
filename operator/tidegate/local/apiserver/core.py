"""The API server without HTTP: a request in, an answer out.

    api = ApiServer.in_memory()
    answer = await api.handle(
        HttpRequest("GET", "/api/v1/namespaces", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
    )
    assert answer.status == 200

It owns who is let in, which part answers a path, and that a client never sees a traceback. What the
parts decide is in their modules; nothing here knows a kind by name.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from tidegate.errors import KubeError, Terminal
from tidegate.local.apiserver import answering, resources, routes
from tidegate.local.apiserver.admission.gate import AdmissionControl
from tidegate.local.apiserver.admission.type_checking import TypeChecking
from tidegate.local.apiserver.auth import attributes
from tidegate.local.apiserver.auth.aggregation import RoleAggregation
from tidegate.local.apiserver.auth.authentication import Authenticator
from tidegate.local.apiserver.auth.authorizer import Authorizer
from tidegate.local.apiserver.auth.bootstrap import load_bootstrap_policy
from tidegate.local.apiserver.auth.impersonation import acting
from tidegate.local.apiserver.auth.tokens import ServiceAccountTokens
from tidegate.local.apiserver.builtins import builtin_registry
from tidegate.local.apiserver.cluster import Cluster, utc_now
from tidegate.local.apiserver.crd import CrdLifeCycle
from tidegate.local.apiserver.decoding import MAX_BODY, too_large
from tidegate.local.apiserver.errors import ApiError, PlainNotFound
from tidegate.local.apiserver.expiry import EventExpiry
from tidegate.local.apiserver.garbage import GarbageCollector
from tidegate.local.apiserver.messages import (
    ADMIN,
    ADMIN_TOKEN,
    MASTERS,
    HttpRequest,
    HttpResponse,
    LogProvider,
    User,
)
from tidegate.local.apiserver.namespaces import NamespaceLifeCycle
from tidegate.local.apiserver.nonresource import NonResource
from tidegate.local.apiserver.options import wants_watch
from tidegate.local.apiserver.reactors import Reactors
from tidegate.local.apiserver.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

log = logging.getLogger(__name__)


class ApiServer:
    """One API server over one store. Use it from one event loop.

    `users` maps bearer tokens to users and may be changed at any time. `token_key` signs the tokens
    of service accounts; without it they end with the server. `log_provider` answers for the logs of
    pods once a node has set it.
    """

    def __init__(
        self,
        store: Store,
        *,
        users: Mapping[str, User],
        token_key: bytes | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.store = store
        self.users: dict[str, User] = dict(users)
        self.find_user: Callable[[str], User | None] | None = None
        """Asked for the user of a token that is not in the table."""
        self.log_provider: LogProvider | None = None
        self.requests: dict[tuple[str, str, str, int], int] = {}
        """Requests served since start, by user, verb, resource and status."""
        self.cluster = Cluster(store, builtin_registry(), clock=clock)
        self.tokens = ServiceAccountTokens(token_key or secrets.token_bytes(32))
        self.authorizer = Authorizer(store)
        self.admission = AdmissionControl(self.cluster, self.authorizer)
        self._authenticator = Authenticator(store, self.tokens, clock=clock)
        self._crds = CrdLifeCycle(self.cluster)
        self._namespaces = NamespaceLifeCycle(self.cluster)
        self._garbage = GarbageCollector(self.cluster)
        self._expiry = EventExpiry(self.cluster)
        self._reactors = Reactors(
            [
                self._crds,
                self._namespaces,
                self._garbage,
                RoleAggregation(self.cluster),
                TypeChecking(self.cluster),
            ]
        )
        self._nonresource = NonResource(self)
        self._prepared = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def in_memory(cls, *, clock: Callable[[], datetime] = utc_now) -> ApiServer:
        """A server for tests: nothing is kept, `ADMIN_TOKEN` may do everything."""
        return cls(Store.memory(), users={ADMIN_TOKEN: ADMIN}, clock=clock)

    async def start(self) -> None:
        """Take up what is stored, and run what runs in the background."""
        self._prepare()
        self._tasks.append(asyncio.create_task(self._expiry.run()))
        await self.store.flush()

    async def stop(self) -> None:
        """End every watch and background task, and close the store."""
        self._reactors.stopped = True
        self.cluster.hub.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.cluster.webhooks.close()
        # The journal's thread may have much to write.
        await asyncio.to_thread(self.store.close)

    def _prepare(self) -> None:
        if self._prepared:
            return
        self._prepared = True
        self._crds.load()
        self.store.subscribers.append(self._reactors)
        self._namespaces.load()
        load_bootstrap_policy(self.cluster)
        RoleAggregation(self.cluster).load()
        self._garbage.load()

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. Raises nothing: whatever goes wrong is an answer."""
        self._prepare()
        user: User | None = None
        try:
            user = self._authenticator.user(self.user_of_token, request.headers)
            user = acting(user, request.headers, self.authorizer)
            response = await self._respond(request, user)
        except ApiError as error:
            response = answering.refusal(error, request)
        except PlainNotFound:
            response = answering.plain(404, "404 page not found\n")
        except KubeError as error:
            status = error.status or 500
            response = answering.refusal(ApiError(status, error.reason, error.message), request)
        except Terminal as error:
            # What a person keeps for this server cannot be read; they can mend it.
            response = answering.refusal(ApiError(500, error.reason, error.message), request)
        except RecursionError:
            response = answering.refusal(
                ApiError(400, "BadRequest", "the object is nested too deeply"), request
            )
        self._count(request, user, response.status)
        return response

    async def _respond(self, request: HttpRequest, user: User) -> HttpResponse:
        if len(request.body) > MAX_BODY:
            raise too_large()
        path = routes.parse(request.path)
        if path is None:
            if MASTERS not in user.groups:
                self._authorize(user, attributes.of_path(request.path, request.method))
            return self._nonresource.handle(request, user)
        verb = routes.verb_of(request.method, path, watch=wants_watch(request))
        if MASTERS not in user.groups:
            method = request.method.lower()
            self._authorize(user, attributes.of_resource(path, verb or method, request.query))
        return await resources.handle(self, request, path, verb, user)

    def _authorize(self, user: User, wanted: attributes.Attributes) -> None:
        decision = self.authorizer.decide(user, wanted)
        if not decision.allowed:
            raise attributes.refused(user, wanted, decision.reason)

    def user_of_token(self, token: str) -> User | None:
        """Whose token that is; None when it is not good."""
        found = self.users.get(token) or self._authenticator.account_of(token)
        if found is None and self.find_user is not None:
            return self.find_user(token)
        return found

    def _count(self, request: HttpRequest, user: User | None, status: int) -> None:
        path = routes.parse(request.path)
        # One word for all paths that nothing serves, or clients could fill the memory.
        resource, verb = "other", request.method.lower()
        registry = self.cluster.registry
        if path is not None and registry.find(path.group, path.version, path.plural):
            resource = "/".join(p for p in (path.plural, path.subresource) if p)
            if path.group:
                resource = f"{path.group}/{resource}"
            verb = routes.verb_of(request.method, path, watch=wants_watch(request)) or verb
        key = (user.name if user else "", verb, resource, status)
        self.requests[key] = self.requests.get(key, 0) + 1
