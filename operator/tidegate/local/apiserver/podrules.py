"""What may still change in the spec of a Pod that exists: images, a deadline, tolerations. Pure."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import cause

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

_FORBIDDEN = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
_CONTAINERS = ("containers", "initContainers")


def problems(obj: Obj, old: Obj | None) -> list[Obj]:
    """Why the new spec is refused; a real server adds to the text how its Go values differ."""
    if old is None or _frozen(obj.get("spec") or {}, old) == _frozen(old.get("spec") or {}, old):
        return []
    return [cause("spec", "FieldValueForbidden", _FORBIDDEN)]


def _frozen(spec: Obj, old: Obj) -> Obj:
    """The spec without what may be changed."""
    before = old.get("spec") or {}
    found = copy.deepcopy(spec)
    found.pop("activeDeadlineSeconds", None)
    for name in _CONTAINERS:
        for container in found.get(name) or ():
            container.pop("image", None)
    kept = before.get("tolerations") or []
    if all(t in (spec.get("tolerations") or []) for t in kept):
        found.pop("tolerations", None)
    grace = before.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        found["terminationGracePeriodSeconds"] = grace
    if not before.get("nodeName"):
        # A pod that no node has yet is bound by writing it.
        found.pop("nodeName", None)
    found.pop("schedulingGates", None)
    return found
