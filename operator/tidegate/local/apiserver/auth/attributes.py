"""What a request wants to do, in the terms that rules speak of, and the words of its refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import ApiError, resource_details

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.local.apiserver.messages import User
    from tidegate.local.apiserver.routes import ResourcePath

_MANY = ("list", "watch", "deletecollection")
_NAME_FIELD = "metadata.name="


@dataclass(frozen=True, slots=True)
class Attributes:
    """One wish: a verb on a resource, or on a `path` that is none."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """`pods/log`, as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def of_resource(path: ResourcePath, verb: str, query: Mapping[str, str]) -> Attributes:
    """What a request for a resource wants. A namespace is inside itself, as on a real server."""
    name, namespace = path.name, path.namespace or ""
    if not path.group and path.plural == "namespaces" and name:
        namespace = name
    if not name and verb in _MANY:
        selector = query.get("fieldSelector", "")
        if selector.startswith(_NAME_FIELD) and "," not in selector:
            name = selector[len(_NAME_FIELD) :].lstrip("=")
    return Attributes(
        verb, path.group, path.version, path.plural, path.subresource, namespace, name
    )


def of_path(path: str, method: str) -> Attributes:
    """What a request for a path that is no resource wants."""
    return Attributes(method.lower(), path=path)


def refused(user: User, wanted: Attributes, reason: str = "") -> ApiError:
    """403, in a real server's words. `reason` says why no rule could be found, if something did."""
    more = f": {reason}" if reason else ""
    if wanted.path:
        text = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"{more}'
        return ApiError(403, "Forbidden", text, details={})
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    named = f' "{wanted.name}"' if wanted.name else ""
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    text = (
        f'{qualified}{named} is forbidden: User "{user.name}" cannot {wanted.verb} resource '
        f'"{wanted.full_resource}" in API group "{wanted.group}" {where}{more}'
    )
    details = resource_details(wanted.name, wanted.group, wanted.resource)
    return ApiError(403, "Forbidden", text, details=details)
