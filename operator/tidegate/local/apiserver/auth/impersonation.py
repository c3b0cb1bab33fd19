"""Acting as somebody else: the `Impersonate-…` headers, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from tidegate.local.apiserver.auth.attributes import Attributes, refused
from tidegate.local.apiserver.errors import ApiError
from tidegate.local.apiserver.messages import ANONYMOUS, User

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidegate.local.apiserver.auth.authorizer import Authorizer

_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION = "authentication.k8s.io"
_UNKNOWN = "system:unauthenticated"


def acting(user: User, headers: Mapping[str, str], authorizer: Authorizer) -> User:
    """Who the request is to be judged as: the user, or whom they act as.

    Several values of one header stand on several lines.

    :raises ApiError: 403 when they may not act as that user, 400 for groups without a user.
    """
    # Asked of every request: one search is several times faster than a loop.
    if _PREFIX not in "\n".join(headers):
        return user
    name = headers.get("impersonate-user", "")
    groups = tuple(g for g in headers.get("impersonate-group", "").split("\n") if g)
    uid = headers.get("impersonate-uid", "")
    extra = {
        unquote(header[len(_EXTRA) :]): tuple(values.split("\n"))
        for header, values in headers.items()
        if header.startswith(_EXTRA)
    }
    if not name:
        if groups or uid or extra:
            raise ApiError(
                400, "BadRequest", "Impersonate-User must be set to impersonate groups or others"
            )
        return user
    for wanted in _wishes(name, groups, uid, extra):
        decision = authorizer.decide(user, wanted)
        if not decision.allowed:
            raise refused(user, wanted, decision.reason)
    groups = groups or _usual_groups(name)
    return User(name, groups, uid, tuple(sorted(extra.items())), known=_UNKNOWN not in groups)


def _wishes(
    name: str, groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]
) -> Iterator[Attributes]:
    """What the user must be allowed, one by one."""
    namespace, account = _account(name)
    if account:
        yield _wish("serviceaccounts", account, namespace=namespace)
    else:
        yield _wish("users", name)
    for group in groups:
        yield _wish("groups", group)
    for key, values in extra.items():
        for value in values:
            yield _wish("userextras", value, group=_AUTHENTICATION, subresource=key)
    if uid:
        yield _wish("uids", uid, group=_AUTHENTICATION)


def _wish(
    resource: str, name: str, *, group: str = "", subresource: str = "", namespace: str = ""
) -> Attributes:
    return Attributes("impersonate", group, "v1", resource, subresource, namespace, name)


def _account(name: str) -> tuple[str, str]:
    if not name.startswith(_ACCOUNT):
        return "", ""
    namespace, _, account = name[len(_ACCOUNT) :].partition(":")
    return (namespace, account) if account and ":" not in account else ("", "")


def _usual_groups(name: str) -> tuple[str, ...]:
    namespace, account = _account(name)
    if account:
        return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return (_UNKNOWN,) if name == ANONYMOUS.name else ()
