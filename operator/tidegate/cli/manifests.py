"""Reads manifests of Models and Rollouts from files, as `kubectl apply -f` would be given them.

Checks what can be checked without a cluster, and says where something is wrong. Other kinds are
left out.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.errors import Terminal
from tidegate.kube.resources import MODELS, ROLLOUTS, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.kube.objects import Object

_KINDS: dict[str, tuple[Resource, type[Model | Rollout]]] = {
    "Model": (MODELS, Model),
    "Rollout": (ROLLOUTS, Rollout),
}
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Manifest:
    """One object as somebody wants it. `unknown` are fields that no kind of ours has."""

    resource: Resource
    obj: Object
    namespace: str | None
    unknown: tuple[str, ...] = ()


def read_manifests(paths: Sequence[Path]) -> list[Manifest]:
    """The Models and Rollouts in files and folders; `-` is stdin.

    Raises Terminal: FileUnreadable, ManifestInvalid.
    """
    return [
        manifest
        for path in paths
        for file in _files(path)
        for document in _documents(file)
        for manifest in _manifest(document, str(file))
    ]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    return [path]


def _documents(path: Path) -> Iterable[Any]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return list(YAML(typ="safe", pure=True).load_all(text))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise Terminal("FileUnreadable", f"{path} is no YAML or JSON file: {error}") from error


def _manifest(document: Any, file: str) -> Iterable[Manifest]:
    if not isinstance(document, dict):
        return
    if document.get("kind") == "List" or str(document.get("kind", "")).endswith("List"):
        for item in document.get("items") or []:
            yield from _manifest(item, file)
        return
    found = _KINDS.get(str(document.get("kind")))
    if found is None or document.get("apiVersion") != found[0].api_version:
        return
    res, kind = found
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise Terminal("ManifestInvalid", f"{file}: a {res.kind} without metadata.name")
    what = f"{file}: {res.kind} {metadata['name']}"
    try:
        parsed = kind.model_validate({"spec": document.get("spec")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Terminal("ManifestInvalid", f"{what}: {where}: {first['msg']}") from error
    yield Manifest(
        resource=res,
        obj={"metadata": dict(metadata), "spec": document["spec"]},
        namespace=metadata.get("namespace"),
        unknown=tuple(_unknown(document["spec"], parsed.spec.wire(), "spec")),
    )


def _unknown(given: Any, known: Any, path: str) -> Iterable[str]:
    """Fields that were given and are in no schema of ours: they would be dropped."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if value is None:
                continue
            if key not in known:
                yield f"{path}.{key}"
            else:
                yield from _unknown(value, known[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(known, list):
        for index, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _unknown(one, other, f"{path}[{index}]")
