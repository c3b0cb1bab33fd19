"""Mutating and validating webhooks: which are asked, in which order, what answers mean."""

from __future__ import annotations

import asyncio
import base64
import binascii
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import machinery
from tidegate.local.apiserver.admission.conditions import hold
from tidegate.local.apiserver.admission.configuration import Configurations
from tidegate.local.apiserver.admission.expressions import Scope
from tidegate.local.apiserver.admission.matching import GROUP, asked_about
from tidegate.local.apiserver.admission.webhook_client import CallFailed
from tidegate.local.apiserver.errors import ApiError, forbidden, internal_error
from tidegate.local.apiserver.strings import go_quoted

if TYPE_CHECKING:
    from tidegate.local.apiserver.admission.call import Call
    from tidegate.local.apiserver.auth.authorizer import Authorizer
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj

MUTATING = f"{GROUP}/mutatingwebhookconfigurations"
VALIDATING = f"{GROUP}/validatingwebhookconfigurations"
_REVIEW = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
_TIMEOUT_S = 10
_BAD_REQUEST = 400


@dataclass(frozen=True)
class _Answer:
    """What a webhook said."""

    allowed: bool
    status: Obj
    patch: list[Obj]
    warnings: list[str]


class Webhooks:
    """All webhooks of one server."""

    def __init__(self, cluster: Cluster, authorizer: Authorizer) -> None:
        self._cluster = cluster
        self._mutating = Configurations(cluster.store, MUTATING)
        self._validating = Configurations(cluster.store, VALIDATING)
        self._client = cluster.webhooks
        self._authorizer = authorizer

    def may_mutate(self) -> bool:
        """Whether any mutating webhook is configured."""
        return bool(self._mutating)

    def may_refuse(self) -> bool:
        """Whether any validating webhook is configured."""
        return bool(self._validating)

    async def mutate(self, call: Call, warnings: list[str]) -> Obj:
        """The object as the mutating webhooks leave it, one after the other.

        Those that want to are asked once more when a later one changed what they had seen. For a
        deletion there is nothing to change: it returns an empty object.

        :raises ApiError: when one refuses, or gives no answer and must.
        """
        hooks = self._entries(self._mutating)
        changed_by = -1
        for index, hook in enumerate(hooks):
            after = await self._mutated(hook, call, warnings)
            if after.obj != call.obj:
                call, changed_by = after, index
        for index, hook in enumerate(hooks):
            if index < changed_by and hook.get("reinvocationPolicy") == "IfNeeded":
                call = await self._mutated(hook, call, warnings)
        return call.obj if call.obj is not None else {}

    async def _mutated(self, hook: Obj, call: Call, warnings: list[str]) -> Call:
        answer = await self._asked(hook, call)
        if answer is None:
            return call
        warnings += answer.warnings
        if not answer.allowed:
            raise _denied(hook, answer.status)
        if not answer.patch or call.obj is None:
            return call
        try:
            patched = machinery.json_patch(call.obj, answer.patch)
        except ApiError as error:
            raise internal_error(error.message) from error
        if not isinstance(patched, dict):
            raise internal_error(f"webhook {go_quoted(hook['name'])} left no object")
        return replace(call, obj=patched)

    async def validate(self, call: Call, warnings: list[str]) -> None:
        """Ask every validating webhook, all at once.

        :raises ApiError: when one refuses, or gives no answer and must.
        """
        hooks = self._entries(self._validating)
        if not hooks:
            return
        found = await asyncio.gather(
            *(self._asked(hook, call) for hook in hooks), return_exceptions=True
        )
        for hook, answer in zip(hooks, found, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                continue
            warnings += answer.warnings
            if not answer.allowed:
                raise _denied(hook, answer.status)

    def _entries(self, configurations: Configurations) -> list[Obj]:
        return [hook for obj in configurations.objects() for hook in obj.get("webhooks") or ()]

    async def _asked(self, hook: Obj, call: Call) -> _Answer | None:
        """What a webhook says; None when it is not asked, or its silence does not matter."""
        if call.kind.group == GROUP:
            # Or nobody could remove a webhook that refuses everything.
            return None
        if not asked_about(self._cluster, call, hook, hook.get("rules") or []):
            return None
        if not self._wants(hook, call):
            return None
        try:
            return await self._answer(hook, call)
        except CallFailed as error:
            if hook.get("failurePolicy") == "Ignore":
                return None
            message = f"failed calling webhook {go_quoted(hook['name'])}: {error}"
            raise internal_error(message) from error

    def _wants(self, hook: Obj, call: Call) -> bool:
        conditions = hook.get("matchConditions")
        if not conditions:
            return True
        fits, problem = hold(conditions, Scope(call, self._authorizer))
        if problem and hook.get("failurePolicy") != "Ignore":
            raise forbidden(call.kind, call.name, problem)
        return fits

    async def _answer(self, hook: Obj, call: Call) -> _Answer:
        uid = str(uuid.uuid4())
        request = {**call.request(uid), "object": call.obj, "oldObject": call.old}
        timeout = int(hook.get("timeoutSeconds") or _TIMEOUT_S)
        try:
            review = await self._client.review(
                hook["clientConfig"], {**_REVIEW, "request": request}, timeout_s=timeout
            )
        except CallFailed as error:
            raise CallFailed(f"failed to call webhook: {error}") from error
        try:
            return _read(review, uid)
        except (ValueError, TypeError, AttributeError) as error:
            raise CallFailed(f"received invalid webhook response: {error}") from error


def _read(review: Obj, uid: str) -> _Answer:
    """The answer in a review.

    :raises ValueError: when it is none.
    """
    given = (review.get("apiVersion"), review.get("kind"))
    if given != ("admission.k8s.io/v1", "AdmissionReview"):
        raise ValueError(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got "
            f"{given[0] or ''}, Kind={given[1] or ''}"
        )
    response = review.get("response")
    if not isinstance(response, dict):
        raise ValueError("webhook response was absent")
    if response.get("uid") != uid:
        got = go_quoted(str(response.get("uid") or ""))
        raise ValueError(f"expected response.uid={go_quoted(uid)}, got {got}")
    patch: list[Obj] = []
    if response.get("patch"):
        if response.get("patchType") != "JSONPatch":
            raise ValueError("webhook returned response.patch but not response.patchType JSONPatch")
        try:
            patch = orjson.loads(base64.b64decode(response["patch"], validate=True))
        except binascii.Error as error:
            raise ValueError(f"response.patch is not base64: {error}") from error
    warnings = [str(text) for text in response.get("warnings") or ()]
    status = response.get("status") or {}
    return _Answer(response.get("allowed") is True, dict(status), patch, warnings)


def _denied(hook: Obj, status: Obj) -> ApiError:
    by = f"admission webhook {go_quoted(hook['name'])} denied the request"
    why = status.get("message") or status.get("reason")
    message = f"{by}: {why}" if why else f"{by} without explanation"
    code = status.get("code")
    return ApiError(
        code if isinstance(code, int) and _BAD_REQUEST <= code < 600 else _BAD_REQUEST,
        str(status.get("reason") or ""),
        message,
        details=status.get("details"),
    )
