"""What a pod's containers need, and what may change in the spec of a Pod that exists. Pure."""

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
    """Why the spec is refused; a real server adds to the text how its Go values differ."""
    if old is None:
        return container_problems(obj.get("spec") or {}, "spec")
    if _frozen(obj.get("spec") or {}, old) == _frozen(old.get("spec") or {}, old):
        return []
    return [cause("spec", "FieldValueForbidden", _FORBIDDEN)]


def container_problems(spec: Obj, path: str) -> list[Obj]:
    """What the containers of a pod lack."""
    found = []
    if not spec.get("containers"):
        found.append(cause(f"{path}.containers", "FieldValueRequired", "Required value"))
    seen: set[str] = set()
    for field in _CONTAINERS:
        for index, container in enumerate(spec.get(field) or ()):
            where, name = f"{path}.{field}[{index}]", container.get("name")
            found += [
                cause(f"{where}.{member}", "FieldValueRequired", "Required value")
                for member in ("name", "image")
                if not container.get(member)
            ]
            if name and name in seen:
                message = f'Duplicate value: "{name}"'
                found.append(cause(f"{where}.name", "FieldValueDuplicate", message))
            seen.add(name or "")
    return found


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
