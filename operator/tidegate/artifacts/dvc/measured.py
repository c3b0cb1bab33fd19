"""Metrics that stages measured of an output, and the data that it was made of; in the Job alone.

Only what `dvc.lock` binds to this very content counts: a stage that depended on another content of
the output, or a file of metrics that was changed since, says nothing about it.
"""

from __future__ import annotations

import hashlib
import math
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.artifacts.dvc.report import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST = 100
_LIMIT_BYTES = 1024 * 1024
_DEEPEST = 8
"""Of nested metrics, which are named with dots between."""


def datasets_of(folder: Path, stage: Any, outputs: Mapping[str, Any]) -> dict[str, str]:
    """MD5s by path of what a stage depends on that DVC tracks itself; the rest is code, in git."""
    return {
        path: str(dep.hash_info.value)
        for dep in stage.deps
        if (path := below(folder, dep.fs_path)) in outputs and dep.hash_info
    }


def metrics_of(folder: Path, name: str, outputs: Mapping[str, Any]) -> list[Metric]:
    """What was measured of the output of a name, bound to the data where it is one of a stage."""
    found: list[Metric] = []
    for path, metric in outputs.items():
        stage = metric.stage
        if not metric.is_metric or not _is_of(folder, stage, name, outputs[name]):
            continue
        data = {
            path: md5 for path, md5 in datasets_of(folder, stage, outputs).items() if path != name
        }
        dataset, digest = next(iter(data.items())) if len(data) == 1 else (None, None)
        # No further than that: what YAML's aliases repeat may be without an end.
        numbers = islice(_numbers(_content(folder / path, metric), ""), _MOST - len(found))
        found += [
            Metric(name=key, value=value, dataset=dataset, md5=digest) for key, value in numbers
        ]
    return found


def below(folder: Path, path: str) -> str:
    """A path below a folder; one elsewhere as it is."""
    found = Path(path)
    return found.relative_to(folder).as_posix() if found.is_relative_to(folder) else path


def _is_of(folder: Path, stage: Any, name: str, out: Any) -> bool:
    """Whether a stage made the output, or was run on what it is now."""
    if stage is out.stage:
        return True
    return any(
        below(folder, dep.fs_path) == name and dep.hash_info == out.hash_info for dep in stage.deps
    )


def _content(file: Path, metric: Any) -> Any:
    """What a file of metrics says; None unless it is what the stage wrote."""
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import load_path

    try:
        if file.is_symlink() or file.stat().st_size > _LIMIT_BYTES:
            return None
        written = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        if not metric.hash_info or metric.hash_info.value != written:
            return None
        return load_path(str(file), metric.repo.fs)
    except (OSError, DvcException):
        return None


def _numbers(said: Any, before: str, depth: int = 0) -> Iterator[tuple[str, float]]:
    """The finite numbers in nested dictionaries, by their names."""
    if isinstance(said, dict) and depth < _DEEPEST:
        for key, value in said.items():
            yield from _numbers(value, f"{before}.{key}" if before else str(key), depth + 1)
    elif isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said):
        yield before[:256], float(said)
