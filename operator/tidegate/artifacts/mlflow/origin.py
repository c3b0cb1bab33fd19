"""What an MLflow registry knows about a version, from its answers. Pure.

Strings are cut to what a status holds; numbers that are not finite, and what is missing, stay out.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.api.origin import Dataset, Measured, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.artifacts.mlflow.mlmodel import MLmodel
    from tidegate.artifacts.mlflow.reference import Reference

type Answer = dict[str, Any]

REGISTRY = "mlflow"
_COMMIT, _BRANCH = "mlflow.source.git.commit", "mlflow.source.git.branch"
_REPOSITORY = "mlflow.source.git.repoURL"
_USER = "mlflow.user"
_CONTEXT = "mlflow.data.context"
_OWN_TAGS = "mlflow."
"""Tags that MLflow writes itself; they are read, not copied."""
_MOST_DATASETS, _MOST_METRICS, _MOST_TAGS, _MOST_LIBRARIES = 20, 100, 50, 50


def origin(
    reference: Reference,
    *,
    version: Answer,
    logged: Answer | None,
    run: Answer | None,
    mlmodel: MLmodel,
    requirements: Mapping[str, str],
) -> Origin:
    """The origin of a model version: `version` is a `model_version`, `logged` a logged `model`,
    `run` a `run`, as MLflow answers them; the last two None where there is none."""
    run_tags = _tags((run or {}).get("data", {}).get("tags"))
    tags = {**run_tags, **_tags((logged or {}).get("info", {}).get("tags"))}
    user = version.get("user_id") or (run or {}).get("info", {}).get("user_id") or tags.get(_USER)
    libraries = {**requirements, **mlmodel.libraries}
    return Origin(
        registry=REGISTRY,
        name=_cut(reference.name, 256),
        version=_cut(version.get("version", ""), 256),
        alias=reference.alias,
        author=_cut_or_none(user, 256),
        created=_time(version.get("creation_timestamp")),
        run=_cut_or_none(_run_id(version, logged), 256),
        git_commit=_cut_or_none(tags.get(_COMMIT), 64),
        git_branch=_cut_or_none(tags.get(_BRANCH), 256),
        git_repository=_cut_or_none(tags.get(_REPOSITORY), 1024),
        datasets=_datasets(run),
        metrics=_metrics(logged, run),
        signature=mlmodel.signature,
        libraries={
            _cut(name, 128): _cut(found, 64)
            for name, found in list(libraries.items())[-_MOST_LIBRARIES:]
        },
        tags={
            _cut(key, 128): _cut(value, 256)
            for key, value in sorted(_tags(version.get("tags")).items())[:_MOST_TAGS]
            if not key.startswith(_OWN_TAGS)
        },
    )


def _run_id(version: Answer, logged: Answer | None) -> object:
    return version.get("run_id") or (logged or {}).get("info", {}).get("source_run_id")


def _datasets(run: Answer | None) -> list[Dataset]:
    found = []
    for entry in _entries((run or {}).get("inputs", {}).get("dataset_inputs")):
        data = entry.get("dataset", {})
        if data.get("name") and data.get("digest"):
            found.append(
                Dataset(
                    name=_cut(data["name"], 256),
                    digest=_cut(data["digest"], 256),
                    source=_source(data),
                    context=_cut_or_none(_tags(entry.get("tags")).get(_CONTEXT), 64),
                    rows=_rows(data),
                )
            )
    return found[:_MOST_DATASETS]


def _rows(data: Answer) -> int | None:
    """How many rows data has, as its profile says: of a table, or of an array of features."""
    try:
        profile = json.loads(data.get("profile") or "{}")
        shape = profile.get("features_shape")
        found = profile.get("num_rows", shape[0] if isinstance(shape, list) and shape else None)
    except (ValueError, AttributeError, RecursionError):
        return None
    counted = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= 2**53
    return found if counted else None


def _source(data: Answer) -> str | None:
    """Where data came from: the address in MLflow's JSON, or else what kind of source it was."""
    try:
        said = json.loads(data.get("source") or "{}")
    except ValueError:
        said = {}
    for key in ("uri", "url", "path", "table_name", "name"):
        if isinstance(said, dict) and isinstance(said.get(key), str):
            return _cut_or_none(said[key], 1024)
    return _cut_or_none(data.get("source_type"), 1024)


def _metrics(logged: Answer | None, run: Answer | None) -> list[Measured]:
    """The last value of each metric and data. Those of the logged model say what they were measured
    on; those of the run, which may have made several models, only fill in what is missing.

    MLflow 3.17 keeps a NaN of a logged model as 0, which a bound like `max` would let pass. The run
    knows better, so what is no number there is none here.
    """
    latest: dict[tuple[str, str | None, str | None], tuple[tuple[int, int], Measured]] = {}
    of_run = _entries((run or {}).get("data", {}).get("metrics"))
    no_numbers = {_point(entry) for entry in of_run if _finite(entry.get("value")) is None}
    for entry in _entries((logged or {}).get("data", {}).get("metrics")):
        if _point(entry) not in no_numbers:
            _take(latest, entry)
    bound = {key[0] for key in latest}
    for entry in of_run:
        if entry.get("key") not in bound:
            _take(latest, entry)
    return [measured for _, measured in latest.values()][:_MOST_METRICS]


def _take(
    latest: dict[tuple[str, str | None, str | None], tuple[tuple[int, int], Measured]],
    entry: Answer,
) -> None:
    value = _finite(entry.get("value"))
    name = entry.get("key")
    if value is None or not name:
        return
    measured = Measured(
        metric=_cut(name, 256),
        value=value,
        dataset=_cut_or_none(entry.get("dataset_name"), 256),
        digest=_cut_or_none(entry.get("dataset_digest"), 256),
    )
    key = (measured.metric, measured.dataset, measured.digest)
    when = _point(entry)[1:]
    if key not in latest or when >= latest[key][0]:
        latest[key] = (when, measured)


def _point(entry: Answer) -> tuple[str, int, int]:
    """Which point of which metric: its name, step and time."""
    return str(entry.get("key")), _whole(entry.get("step")), _whole(entry.get("timestamp"))


def _tags(found: object) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in _entries(found) if tag.get("key")}


def _entries(found: object) -> Iterable[Answer]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _finite(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int:
    """MLflow writes 64-bit numbers as text in places."""
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return 0


def _time(milliseconds: object) -> str | None:
    whole = _whole(milliseconds)
    if whole <= 0:
        return None
    try:
        return datetime.fromtimestamp(whole / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):
        return None


def _cut(text: object, longest: int) -> str:
    return str(text)[:longest]


def _cut_or_none(text: object, longest: int) -> str | None:
    return str(text)[:longest] if text else None
