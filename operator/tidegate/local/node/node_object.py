"""What the one Node object says: what this machine is and has. Pure but for reading the machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tidegate import __version__
from tidegate.local.node.fields import HOST_IP
from tidegate.local.node.process import boot_id
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidegate.kube.objects import Object

_MAX_PODS = 250
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MEMORY_UNIT = 1024


def machine() -> dict[str, float]:
    """Return what containers share: `cpu` in cores, `memory` in bytes."""
    cores = psutil.cpu_count() or 1
    return {"cpu": float(cores), "memory": float(psutil.virtual_memory().total)}


def node(name: str) -> Object:
    """Return the Node, without its status."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                "node-role.kubernetes.io/control-plane": "",
            },
        },
        "spec": {},
    }


def status(name: str, *, previous: Mapping[str, Any], now: datetime) -> Object:
    """Return the Node's status. It is written when the node starts, never at rest."""
    has = machine()
    capacity = {
        "cpu": f"{has['cpu']:g}",
        "memory": f"{int(has['memory']) // _MEMORY_UNIT}Ki",
        "pods": str(_MAX_PODS),
    }
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": _conditions(previous, now=now),
        "addresses": [
            {"type": "InternalIP", "address": HOST_IP},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": {
            "machineID": _machine_id(),
            "systemUUID": _machine_id(),
            "bootID": boot_id(),
            "kernelVersion": platform.release(),
            "osImage": _os_image(),
            "containerRuntimeVersion": f"process://{__version__}",
            "kubeletVersion": f"v{__version__}-tidegate-local",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        },
    }


def _conditions(previous: Mapping[str, Any], *, now: datetime) -> list[Object]:
    before = {found["type"]: found for found in previous.get("conditions") or []}
    wanted = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has enough memory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has enough process ids"),
        ("Ready", "True", "KubeletReady", "the local node runs pods as processes"),
    ]
    found = []
    for kind, state, reason, message in wanted:
        old = before.get(kind)
        same = old is not None and old["status"] == state
        since = old["lastTransitionTime"] if same and old else stamp(now)
        found.append(
            {
                "type": kind,
                "status": state,
                "lastHeartbeatTime": stamp(now),
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            }
        )
    return found


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
