"""Reviews: requests that ask who somebody is or what they may do, and store nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import answering, machinery
from tidegate.local.apiserver.auth.attributes import Attributes
from tidegate.local.apiserver.auth.tokens import AUDIENCE
from tidegate.local.apiserver.decoding import decode_object
from tidegate.local.apiserver.errors import cause, invalid
from tidegate.local.apiserver.messages import User
from tidegate.local.apiserver.options import write_options
from tidegate.local.apiserver.prepare import cannot_handle, check_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.auth.rules import Rule
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, HttpResponse, Obj

_EITHER = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def review(
    server: ApiServer, kind: Kind, request: HttpRequest, user: User, namespace: str
) -> HttpResponse:
    """Answer a review.

    :raises ApiError: 400 or 422 for one that cannot be read.
    """
    obj, _ = decode_object(request, kind)
    check_identity(kind, obj, namespace=namespace, name="")
    problem = machinery.decode_problem(kind.schema(), obj)
    if problem:
        raise cannot_handle(kind, problem)
    spec = obj.get("spec") or {}
    answer: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if "spec" in obj:
        answer["spec"] = spec
    if kind.kind == "SelfSubjectReview":
        answer["metadata"] = {"creationTimestamp": server.cluster.now()}
    elif kind.kind != "SelfSubjectRulesReview":
        answer = machinery.track(
            None,
            answer,
            manager=write_options(request, "create").field_manager,
            schema=kind.schema(),
            subresource="",
            now=server.cluster.clock(),
        )
    answer["status"] = _status(server, kind.kind, spec, user, namespace)
    return answering.json_answer(201, answer)


def _status(server: ApiServer, kind: str, spec: Obj, user: User, namespace: str) -> Obj:
    if kind == "SelfSubjectReview":
        return {"userInfo": user.as_info()}
    if kind == "TokenReview":
        return _token(server, spec)
    if kind == "SelfSubjectRulesReview":
        return _rules(server, spec, user)
    wanted = _wanted(spec, kind, namespace)
    if kind != "SelfSubjectAccessReview":
        user = _subject(spec)
    decision = server.authorizer.decide(user, wanted)
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _token(server: ApiServer, spec: Obj) -> Obj:
    known = server.user_of_token(str(spec.get("token") or ""))
    if known is None:
        return {"user": {}, "error": "[invalid bearer token, unknown]"}
    return {"authenticated": True, "user": known.as_info(), "audiences": [AUDIENCE]}


def _wanted(spec: Obj, kind: str, namespace: str) -> Attributes:
    """What the review asks about.

    :raises ApiError: 422.
    """
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes: list[Obj] = []
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        causes.append(_wrong("spec.nonResourceAttributes", f"Invalid value: {why}"))
    if resource is None and path is None:
        causes.append(_wrong("spec.resourceAttributes", f"Invalid value: null: {_EITHER}"))
    if kind != "SelfSubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        text = 'Invalid value: "": at least one of user or group must be specified'
        causes.append(_wrong("spec.user", text))
    given = (resource or {}).get("namespace") or ""
    if kind == "LocalSubjectAccessReview" and given != namespace:
        text = f'Invalid value: "{given}": must match metadata.namespace'
        causes.append(_wrong("spec.resourceAttributes.namespace", text))
    if causes:
        raise invalid(kind, "authorization.k8s.io", "", causes)
    if resource is None:
        found = path or {}
        return Attributes(str(found.get("verb") or ""), path=str(found.get("path") or ""))
    fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Attributes(*(str(resource.get(field) or "") for field in fields))


def _wrong(field: str, message: str) -> Obj:
    return cause(field, "FieldValueInvalid", message)


def _subject(spec: Obj) -> User:
    groups = tuple(str(group) for group in spec.get("groups") or ())
    extra = tuple((k, tuple(v)) for k, v in sorted((spec.get("extra") or {}).items()))
    return User(str(spec.get("user") or ""), groups, str(spec.get("uid") or ""), extra, known=False)


def _rules(server: ApiServer, spec: Obj, user: User) -> Obj:
    found = server.authorizer.rules_for(user, str(spec.get("namespace") or ""))
    return {
        "resourceRules": _shown([r for r in found if not r.paths]),
        "nonResourceRules": _shown([r for r in found if r.paths]),
        "incomplete": False,
    }


def _shown(rules: Sequence[Rule]) -> list[Obj]:
    return [rule.as_object() for rule in dict.fromkeys(rules)]
