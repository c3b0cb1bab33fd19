"""The eviction subresource of pods: a deletion that no PodDisruptionBudget forbids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import answering
from tidegate.local.apiserver.decoding import load_json
from tidegate.local.apiserver.deletion import delete
from tidegate.local.apiserver.errors import ApiError, bad_request
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse
from tidegate.local.apiserver.options import delete_options
from tidegate.local.apiserver.selectors import selector_of

if TYPE_CHECKING:
    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.routes import ResourcePath

_BUDGETS = ("policy", "v1", "poddisruptionbudgets")
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


async def evict(
    server: ApiServer, gate: Gate, request: HttpRequest, path: ResourcePath
) -> HttpResponse:
    """Delete a pod if its budget can spare it now.

    :raises ApiError: 429 when it cannot, 404 without such a pod, 400 for what is no Eviction.
    """
    kind = gate.kind
    server.cluster.find(kind, path.namespace or "", path.name)
    given = _eviction(request)
    await gate.check(given, None)
    record = server.cluster.find(kind, path.namespace or "", path.name)
    inner = HttpRequest("DELETE", request.path, dict(request.query), {}, b"")
    if isinstance(given.get("deleteOptions"), dict):
        inner.body = orjson.dumps(given["deleteOptions"])
    options = delete_options(inner)
    pod = record.decode()
    budget = _budget_of(server, pod)
    if budget is not None and _is_needed(pod):
        _spend(server, budget, pod, dry_run=options.dry_run)
    delete(server.cluster, kind, record, options)
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return answering.json_answer(201, {**success, "code": 201})


def _eviction(request: HttpRequest) -> Obj:
    try:
        given = load_json(request.body) if request.body else {}
    except ValueError as error:
        raise bad_request(str(error)) from error
    if not isinstance(given, dict):
        raise bad_request("the body is no Eviction")
    return given


def _budget_of(server: ApiServer, pod: Obj) -> Obj | None:
    """The budget that guards a pod.

    :raises ApiError: 500 when there are several, as a real server does.
    """
    cluster = server.cluster
    kind = cluster.registry.find(*_BUDGETS)
    if kind is None:
        return None
    metadata = pod["metadata"]
    found = []
    for record in cluster.store.collection(kind.collection).select(metadata["namespace"]):
        budget = record.decode()
        selector = budget["spec"].get("selector")
        if selector is not None and selector_of(selector).matches(metadata.get("labels") or {}):
            found.append(budget)
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does"
        raise ApiError(500, "InternalError", f"{text} not support.")
    return found[0] if found else None


def _is_needed(pod: Obj) -> bool:
    """Whether taking the pod away costs the budget anything."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return (pod.get("status") or {}).get("phase") in ("Running", "Unknown")


def _is_ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _spend(server: ApiServer, budget: Obj, pod: Obj, *, dry_run: bool) -> None:
    """Take one of the disruptions that are left.

    :raises ApiError: 429 when none is.
    """
    status, metadata = budget.get("status") or {}, budget["metadata"]
    name = metadata["name"]
    if status.get("observedGeneration", 0) < metadata.get("generation", 1):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _refused(why, retry_after=10)
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not _is_ready(pod) and (
        healthy >= desired > 0 or budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    ):
        return
    left = status.get("disruptionsAllowed", 0)
    if left <= 0:
        raise _refused(
            f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        )
    if not dry_run:
        cluster = server.cluster
        kind = cluster.registry.find(*_BUDGETS)
        assert kind is not None
        cluster.save(kind, {**budget, "status": {**status, "disruptionsAllowed": left - 1}})


def _refused(why: str, *, retry_after: int | None = None) -> ApiError:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return ApiError(
        429, "TooManyRequests", _REFUSED, details={"causes": causes}, retry_after=retry_after
    )
