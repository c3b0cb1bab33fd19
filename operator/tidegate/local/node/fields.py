"""Reads a pod's own fields for its containers: `fieldRef` and `resourceFieldRef`. Pure."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from tidegate.local.node.refusals import ConfigProblem
from tidegate.local.quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST_IP = "127.0.0.1"
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def field(pod: Mapping[str, Any], path: str, *, address: str) -> str:
    """Return the pod's field as text; `address` is its IP. Raises ConfigProblem if unknown."""
    metadata, spec = pod["metadata"], pod["spec"]
    if found := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(found.group(1)) or {}).get(found.group(2), ""))
    known = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "metadata.labels": _lines(metadata.get("labels")),
        "metadata.annotations": _lines(metadata.get("annotations")),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": HOST_IP,
        "status.hostIPs": HOST_IP,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path not in known:
        raise ConfigProblem(f"unsupported fieldPath: {path}")
    return str(known[path] or "")


def _lines(pairs: Mapping[str, str] | None) -> str:
    """Labels and annotations as the downward API writes them into a file."""
    lines = []
    for key, value in sorted((pairs or {}).items()):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{key}="{quoted}"')
    return "\n".join(lines)


def resource(container: Mapping[str, Any], reference: Mapping[str, Any], *, machine: Any) -> str:
    """Return a container's request or limit in units of the divisor, rounded up.

    `machine` maps `cpu` and `memory` to what the node has: the limit of whoever has none.
    """
    kind, _, name = str(reference["resource"]).partition(".")
    declared = ((container.get("resources") or {}).get(kind) or {}).get(name)
    if declared is None:
        declared = machine.get(name, 0) if kind == "limits" else 0
    divisor = quantity(reference.get("divisor") or 1) or 1.0
    return str(math.ceil(quantity(declared) / divisor))
