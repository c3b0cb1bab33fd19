"""Who talks to the API server: the administrator, the parts, further users, and pods.

Each has a token of its own that comes from the administrator's, so that a restart changes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.client import Client
from tidegate.kube.credentials import Credentials
from tidegate.kube.transport import HttpTransport
from tidegate.local.apiserver import User
from tidegate.local.apiserver.auth.tokens import AUDIENCE, Claims, ServiceAccountTokens
from tidegate.local.cluster.kubeconfig import kubeconfig, write_kubeconfig
from tidegate.local.cluster.users import derived

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.local.cluster.state import Plan

MASTERS = "system:masters"


class Identities:
    """Users of one cluster by token, and ways to act as one of them."""

    def __init__(self, plan: Plan, *, authority: bytes, folder: Path) -> None:
        """`folder` keeps the kubeconfigs of service accounts."""
        self._plan = plan
        self._authority = authority
        self._folder = folder
        self.token_key = derived(plan.token, "service accounts").encode()
        """Signs the tokens of service accounts."""
        self.users: dict[str, User] = {plan.token: User("admin", (MASTERS,))}

    def token(self, user: str) -> str:
        """The token of a user; only who knows the administrator's can make it."""
        return derived(self._plan.token, user)

    def client(self, user: str) -> Client:
        """A client of a part, which may do everything. Its writes are counted under its name."""
        token = self.token(user)
        self.users.setdefault(token, User(user, (MASTERS,)))
        credentials = Credentials(
            server=self._plan.server, ca_pem=self._authority.decode(), token=token
        )
        return Client(HttpTransport(credentials, user_agent=user))

    def service_account_token(self, namespace: str, name: str, audience: str = "") -> str:
        """A token for a pod that runs as this service account; empty is the API's own audience.

        It does not run out: nothing would renew it in a process that has read the file.
        """
        audiences = (audience or AUDIENCE,)
        claims = Claims(namespace, name, audiences=audiences)
        return ServiceAccountTokens(self.token_key).issue(claims)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig for a pod that runs as this service account."""
        token = self.service_account_token(namespace, name)
        path = self._folder / f"{namespace}.{name}.kubeconfig"
        document = kubeconfig(
            server=self._plan.server,
            authority=self._authority,
            token=token,
            context="in-cluster",
            namespace=namespace,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        write_kubeconfig(path, document)
        return path
