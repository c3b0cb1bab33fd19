"""Makes a pod's volumes: folders on this machine, filled with what config maps and secrets hold.

Decides where a volume lies and what stands in it. File operations are synchronous: call them in a
thread. A volume is filled once, when the pod starts; later changes of a source do not reach it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.local.node import fields
from tidegate.local.node.environment import CONFIG_MAP, SECRET, SourceKey, Sources, expand
from tidegate.local.node.paths import Mount
from tidegate.local.node.refusals import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Places:
    """Where volumes lie: those of one pod, and the claims of its namespace."""

    pod: Path
    claims: Path


def needed_sources(pod: Mapping[str, Any]) -> set[SourceKey]:
    """Return the config maps and secrets that the pod's volumes hold."""
    needed: set[SourceKey] = set()
    for volume in pod["spec"].get("volumes") or []:
        for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            for kind in (CONFIG_MAP, SECRET):
                if reference := part.get(kind):
                    needed.add((kind, _name_in(reference)))
    return needed


def needed_claims(pod: Mapping[str, Any]) -> set[str]:
    """Return the persistent volume claims that the pod mounts."""
    return {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"].get("volumes") or []
        if volume.get("persistentVolumeClaim")
    }


def needed_tokens(pod: Mapping[str, Any]) -> set[str]:
    """Return the audiences of the tokens that the pod's volumes hold; empty for the API's own."""
    return {
        str(request.get("audience") or "")
        for volume in pod["spec"].get("volumes") or []
        for part in (volume.get("projected") or {}).get("sources") or []
        if (request := part.get("serviceAccountToken"))
    }


def _name_in(reference: Mapping[str, Any]) -> str:
    return str(reference.get("secretName") or reference["name"])


def make(
    pod: Mapping[str, Any],
    *,
    places: Places,
    sources: Sources,
    address: str,
    tokens: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """Make and fill every volume; return where each lies, by name. Raises ConfigProblem.

    `tokens` are those of the pod's service account, by audience.
    """
    made: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        if claim := volume.get("persistentVolumeClaim"):
            folder = places.claims / claim["claimName"]
        elif host := volume.get("hostPath"):
            folder = Path(host["path"])
        else:
            folder = places.pod / "volumes" / name
        if not volume.get("hostPath"):
            folder.mkdir(parents=True, exist_ok=True)
        _fill(folder, volume, pod, sources=sources, address=address)
        _write_tokens(folder, volume, tokens or {})
        made[name] = folder
    return made


def _fill(
    folder: Path,
    volume: Mapping[str, Any],
    pod: Mapping[str, Any],
    *,
    sources: Sources,
    address: str,
) -> None:
    projected = volume.get("projected") or {}
    for part in [volume, *(projected.get("sources") or [])]:
        for kind in (CONFIG_MAP, SECRET):
            if reference := part.get(kind):
                optional = bool(reference.get("optional"))
                held = sources.get((kind, _name_in(reference)), optional=optional) or {}
                _write_keys(folder, held, reference.get("items"), optional=optional)
        for item in (part.get("downwardAPI") or {}).get("items") or []:
            if "fieldRef" not in item:
                raise ConfigProblem(f"volume {volume['name']}: only fieldRef items are supported")
            text = fields.field(pod, item["fieldRef"]["fieldPath"], address=address)
            _write(folder, item["path"], text.encode())


def _write_tokens(folder: Path, volume: Mapping[str, Any], tokens: Mapping[str, str]) -> None:
    for part in (volume.get("projected") or {}).get("sources") or []:
        if request := part.get("serviceAccountToken"):
            token = tokens.get(str(request.get("audience") or ""))
            if token is None:
                raise ConfigProblem(f"volume {volume['name']}: nobody issues tokens here")
            _write(folder, request["path"], token.encode())


def _write_keys(
    folder: Path,
    held: Mapping[str, bytes],
    items: Sequence[Mapping[str, Any]] | None,
    *,
    optional: bool,
) -> None:
    if items is None:
        for key, content in held.items():
            _write(folder, key, content)
        return
    for item in items:
        if item["key"] in held:
            _write(folder, item["path"], held[item["key"]])
        elif not optional:
            raise ConfigProblem(f"references non-existent config key: {item['key']}")


def _write(folder: Path, relative: str, content: bytes) -> None:
    if os.path.isabs(relative) or ".." in Path(relative).parts:
        raise ConfigProblem(f"invalid path {relative!r} in a volume")
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def mounts_of(
    container: Mapping[str, Any], folders: Mapping[str, Path], *, variables: Mapping[str, str]
) -> list[Mount]:
    """Return what stands for each of the container's mount paths; makes absent sub-folders.

    `variables` fill a `subPathExpr`. Raises ConfigProblem for a volume that the pod does not have.
    """
    mounts = []
    for mount in container.get("volumeMounts") or []:
        folder = folders.get(mount["name"])
        if folder is None:
            raise ConfigProblem(f"container {container['name']}: no volume {mount['name']!r}")
        below = mount.get("subPath") or expand(mount.get("subPathExpr") or "", variables)
        if below:
            folder = folder / below
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
        read_only = bool(mount.get("readOnly"))
        mounts.append(Mount(mount["mountPath"], str(folder), read_only))
    return mounts


def remove(places: Places) -> None:
    """Remove what belongs to the pod alone. Claims stay."""
    shutil.rmtree(places.pod, ignore_errors=True)
