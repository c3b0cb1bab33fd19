"""Who a request comes from: a token of the table, a service account's token, or nobody known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.auth.tokens import AUDIENCE
from tidegate.local.apiserver.errors import ApiError
from tidegate.local.apiserver.messages import ANONYMOUS, User

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tidegate.local.apiserver.auth.tokens import Claims, ServiceAccountTokens
    from tidegate.local.apiserver.store import Store

ACCOUNTS = "/serviceaccounts"


def service_account(namespace: str, name: str, uid: str = "") -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


class Authenticator:
    """Reads the `Authorization` header."""

    def __init__(
        self, store: Store, tokens: ServiceAccountTokens, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock

    def user(self, user_of_token: Callable[[str], User | None], headers: Mapping[str, str]) -> User:
        """The user of a request; without a bearer token it is the anonymous one.

        :raises ApiError: 401 for a token that is not good.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return ANONYMOUS
        found = user_of_token(token.strip())
        if found is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return found

    def account_of(self, token: str) -> User | None:
        """The service account of a token; None when it is no such token, or not good."""
        claims = self._tokens.read(token) if token.count(".") == 2 else None
        return self._account(claims) if claims is not None else None

    def _account(self, claims: Claims) -> User | None:
        """The service account, unless it is gone or was made anew since."""
        if AUDIENCE not in claims.audiences:
            return None
        if claims.expires is not None and claims.expires <= self._clock():
            return None
        record = self._store.get(ACCOUNTS, claims.namespace, claims.name)
        if record is None or (claims.uid and claims.uid != record.uid):
            return None
        return service_account(claims.namespace, claims.name, record.uid)
