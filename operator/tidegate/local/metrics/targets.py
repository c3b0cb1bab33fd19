"""Which pods Prometheus scrapes: those that ask for it by annotation, while they run.

Writes the target file; Prometheus notices it by itself.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.kube.follow import follow
from tidegate.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tidegate.kube.client import Client, WatchEvent

_ANNOTATION = "prometheus.io/"
_DEFAULT_PORT = "80"


def target_groups(pods: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One group a pod, in a fixed order, as Prometheus's file discovery reads them."""
    groups = [group for pod in pods if (group := _group(pod)) is not None]
    return sorted(groups, key=lambda g: (g["labels"]["namespace"], g["labels"]["pod"]))


def _group(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    metadata, status = pod["metadata"], pod.get("status") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    address = status.get("podIP")
    if annotations.get(f"{_ANNOTATION}scrape") != "true" or not address:
        return None
    if status.get("phase") != "Running":
        return None
    port = annotations.get(f"{_ANNOTATION}port", _DEFAULT_PORT)
    labels = {label_name(k): str(v) for k, v in (metadata.get("labels") or {}).items()}
    labels |= {
        "namespace": str(metadata["namespace"]),
        "pod": str(metadata["name"]),
        "__metrics_path__": annotations.get(f"{_ANNOTATION}path", "/metrics"),
    }
    return {"targets": [f"{address}:{port}"], "labels": labels}


def label_name(key: str) -> str:
    """A Kubernetes label key as a Prometheus label name: `tidegate.dev/model` has no dot."""
    return re.sub(r"[^A-Za-z0-9_]", "_", key)


class TargetFile:
    """Keeps the file in step with the pods."""

    def __init__(self, client: Client, path: Path) -> None:
        self._client = client
        self._path = path
        self._pods: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._written: bytes | None = None

    async def run(self) -> None:
        """Follow the pods until cancelled."""

        async def on_event(event: WatchEvent) -> None:
            metadata = event.object["metadata"]
            key = str(metadata["namespace"]), str(metadata["name"])
            if event.type == "DELETED":
                self._pods.pop(key, None)
            else:
                self._pods[key] = event.object
            self.write()

        await follow(self._client, PODS, on_event=on_event)

    def write(self) -> None:
        """Write the file if its content changed, by rename, so that no half of it is ever read."""
        content = orjson.dumps(target_groups(self._pods.values()), option=orjson.OPT_INDENT_2)
        if content == self._written:
            return
        beside = self._path.with_name(f".{self._path.name}.new")
        beside.write_bytes(content)
        os.replace(beside, self._path)
        self._written = content
