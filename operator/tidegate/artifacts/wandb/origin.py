"""What W&B knows of a version of an artifact, from its answers. Pure.

Strings are cut to what a status holds; numbers that are not finite, and what is missing, stay out.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.api.origin import Dataset, Measured, Origin
from tidegate.artifacts.wandb.server import as_object, as_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.artifacts.wandb.reference import Reference
    from tidegate.artifacts.wandb.server import Data

REGISTRY = "wandb"
DATASET = "dataset"
"""The type of the artifacts that are data; W&B's own docs and registries call it so."""
_MOST_DATASETS, _MOST_METRICS, _MOST_TAGS = 20, 100, 50
_DEEPEST = 4


def origin(named: Reference, *, version: str, told: Data) -> Origin:
    """The origin of a version: `told` is an `artifact` as `queries.VERSION` has it answered."""
    creator = as_object(told.get("createdBy"))
    run = creator if creator.get("__typename") == "Run" else {}
    user = as_object(run.get("user")) if run else creator
    git = as_object(as_object(run.get("runInfo")).get("git"))
    return Origin(
        registry=REGISTRY,
        name=f"{named.entity}/{named.project}/{named.name}"[:256],
        version=version,
        alias=None if named.is_version else named.alias,
        author=_cut(user.get("username"), 256),
        created=_time(told.get("createdAt")),
        run=_path(run.get("project"), run.get("name")),
        git_commit=_cut(run.get("commit") or git.get("commit"), 64),
        git_repository=_cut(git.get("remote"), 1024),
        datasets=_datasets(run),
        metrics=_metrics(told.get("metadata"), run.get("summaryMetrics")),
        tags={
            str(tag["name"])[:128]: ""
            for tag in as_objects(told.get("tags"))[:_MOST_TAGS]
            if tag.get("name")
        },
    )


def _datasets(run: Data) -> list[Dataset]:
    """Artifacts of the type `dataset` that the run has said it uses."""
    found = []
    for edge in as_objects(as_object(run.get("inputArtifacts")).get("edges")):
        node = as_object(edge.get("node"))
        sequence = as_object(node.get("artifactSequence"))
        name = _path(sequence.get("project"), sequence.get("name"))
        is_data = as_object(node.get("artifactType")).get("name") == DATASET
        if is_data and name and node.get("digest"):
            full = f"{name}:v{node.get('versionIndex')}"
            found.append(Dataset(name=full[:256], digest=str(node["digest"])[:256]))
    return found[:_MOST_DATASETS]


def _metrics(metadata: object, summary: object) -> list[Measured]:
    """The numbers in the version's own metadata, and those of the summary of its run under other
    names: a run may log many versions, and its summary is of the last moment alone."""
    found = dict(_numbers(_parsed(metadata)))
    for name, value in _numbers(_parsed(summary)):
        found.setdefault(name, value)
    return [
        Measured(metric=name[:256], value=value)
        for name, value in list(found.items())[:_MOST_METRICS]
    ]


def _numbers(found: object, *, below: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Finite numbers by name, nested ones with dots between, in the order of their names. What
    begins with `_` is W&B's own, and an object with `_type` is media."""
    if not isinstance(found, dict) or "_type" in found or depth == _DEEPEST:
        return
    for key, value in sorted(found.items()):
        if key.startswith("_"):
            continue
        if isinstance(value, dict):
            yield from _numbers(value, below=f"{below}{key}.", depth=depth + 1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            number = _finite(value)
            if number is not None:
                yield f"{below}{key}", number


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _parsed(text: object) -> Any:
    """W&B answers such objects as JSON in a string."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _path(project: object, name: object) -> str | None:
    """How W&B writes a run, or an artifact: `entity/project/name`."""
    found = as_object(project)
    entity = as_object(found.get("entity")).get("name")
    if not (name and entity and found.get("name")):
        return _cut(name, 256)
    return f"{entity}/{found['name']}/{name}"[:256]


def _time(text: object) -> str | None:
    """W&B writes UTC, with and without saying so."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    known = found if found.tzinfo else found.replace(tzinfo=UTC)
    return known.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(text: object, longest: int) -> str | None:
    return str(text)[:longest] if text else None
