"""Nobody may grant what they do not have: the check on every write of a role or binding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.auth.attributes import Attributes
from tidegate.local.apiserver.auth.authorizer import GROUP
from tidegate.local.apiserver.auth.rules import Rule, compact, missing, quoted_list, rules_of
from tidegate.local.apiserver.errors import ApiError, forbidden
from tidegate.local.apiserver.messages import MASTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.auth.authorizer import Authorizer
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj, User

_ROLES = ("roles", "clusterroles")
_EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))


def check_grants(authorizer: Authorizer, user: User, kind: Kind, obj: Obj, old: Obj | None) -> None:
    """Refuse a role or binding that gives more than the user has.

    Whoever has the verb `escalate` on the role, or `bind` on the role that is bound, may.

    :raises ApiError: 403, or 404 for a binding to a role that is not there.
    """
    if kind.group != GROUP or MASTERS in user.groups:
        return
    meta = obj["metadata"]
    namespace = meta.get("namespace", "")
    if kind.plural in _ROLES:
        if old is not None and _grants(old) == _grants(obj):
            return
        wish = Attributes("escalate", GROUP, "v1", kind.plural, "", namespace, meta["name"])
        wanted: Sequence[Rule] = rules_of(obj)
        if obj.get("aggregationRule"):
            # What it will hold is for others to say.
            wanted = _EVERYTHING
    else:
        reference = obj["roleRef"]
        if old is not None and _bound(old) == _bound(obj):
            return
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        wish = Attributes("bind", GROUP, "v1", plural, "", namespace, reference["name"])
        wanted = _rules_behind(authorizer, user, wish, reference, namespace)
    if not authorizer.decide(user, wish).allowed:
        _confirm(authorizer, user, kind, meta, wanted)


def _grants(role: Obj) -> tuple[object, object]:
    return role.get("rules") or [], role.get("aggregationRule")


def _bound(binding: Obj) -> tuple[object, object]:
    return binding.get("roleRef"), binding.get("subjects") or []


def _rules_behind(
    authorizer: Authorizer, user: User, wish: Attributes, reference: Obj, namespace: str
) -> list[Rule]:
    role = authorizer.role(reference, namespace)
    if role is not None:
        return rules_of(role.decode())
    if authorizer.decide(user, wish).allowed:
        return []
    details = {"name": reference["name"], "group": GROUP, "kind": wish.resource}
    message = f'{wish.resource}.{GROUP} "{reference["name"]}" not found'
    raise ApiError(404, "NotFound", message, details=details)


def _confirm(
    authorizer: Authorizer, user: User, kind: Kind, meta: Obj, wanted: Sequence[Rule]
) -> None:
    lacking = missing(authorizer.rules_for(user, meta.get("namespace", "")), wanted)
    if not lacking:
        return
    listed = "\n".join(sorted({rule.described() for rule in compact(lacking)}))
    raise forbidden(
        kind,
        meta["name"],
        f'user "{user.name}" (groups={quoted_list(user.all_groups())}) is attempting to grant '
        f"RBAC permissions not currently held:\n{listed}",
    )
