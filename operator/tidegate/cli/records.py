"""Finds decision records: in a cluster, or in files that kubectl has exported.

Reads only. What a record says is for others to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.api.record_status import OpenRecord
from tidegate.cli.finding import find_model, find_rollout, model_of, split
from tidegate.domain.record import FORMAT
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of, namespace_of
from tidegate.kube.resources import CONFIGMAPS
from tidegate.specs.metadata import MODEL_LABEL
from tidegate.specs.record import ROLLOUT_LABEL, attempt_of, rows_of, selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tidegate.cli.finding import Place
    from tidegate.domain.record import Row
    from tidegate.kube.objects import Object


@dataclass(frozen=True)
class Record:
    """One attempt's record. `namespace` is empty where a file does not say it."""

    name: str
    namespace: str
    model: str
    rollout: str
    attempt: int
    rows: tuple[Row, ...]

    @property
    def about(self) -> dict[str, Any]:
        """Which record it is, as programs read it."""
        return {
            "record": self.name,
            "namespace": self.namespace or None,
            "model": self.model,
            "rollout": self.rollout,
            "attempt": self.attempt,
        }


async def in_cluster(where: Place, name: str, *, at: int | None) -> Record:
    """The record of an attempt (None: the last) of the Rollout, or of the Model, that is named.

    Rows that wait in the Rollout's status are taken in. Raises Terminal: RecordNotFound when there
    is none, and what `find_rollout` raises.
    """
    rollout = await _rollout(where, name)
    model = model_of(rollout) if rollout is not None else split(name)[1]
    listing = await where.client.list(
        CONFIGMAPS, namespace=where.namespace, label_selector=selector(model)
    )
    found = listing.items
    waiting: list[OpenRecord] = []
    if rollout is not None:
        found = [each for each in found if _rollout_of(each) == name_of(rollout)]
        listed = rollout.get("status", {}).get("records", [])
        waiting = [OpenRecord.model_validate(each) for each in listed]
    return _chosen(found, waiting, at=at, what=name, rollout=rollout)


async def _rollout(where: Place, name: str) -> Object | None:
    """The Rollout that is meant; None when only a Model of that name is left."""
    try:
        return await find_rollout(where, name)
    except Terminal as error:
        kind, bare = split(name)
        if error.reason != "RolloutNotFound" or kind == "rollout":
            raise
        if await find_model(where, bare) is None:
            raise
        return None


def in_file(path: Path, *, at: int | None) -> Record:
    """The record in a file that kubectl exported: a ConfigMap, or a list of them.

    Raises Terminal: FileUnreadable, RecordNotFound, RecordUnreadable.
    """
    try:
        documents = list(YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Terminal("FileUnreadable", f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, YAMLError) as error:
        raise Terminal("FileUnreadable", f"{path} is no YAML or JSON file: {error}") from error
    configmaps = [each for each in _objects(documents) if each.get("kind") == "ConfigMap"]
    if not configmaps:
        raise Terminal(
            "RecordNotFound",
            f"{path} holds no ConfigMap; export one with kubectl get configmap NAME -o yaml",
        )
    return _chosen(configmaps, [], at=at, what=str(path), rollout=None)


def _objects(documents: Iterable[Any]) -> Iterable[Object]:
    for document in documents:
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from _objects(document["items"])
        elif isinstance(document, dict) and isinstance(document.get("metadata"), dict):
            yield document


def _chosen(
    configmaps: Sequence[Object],
    waiting: Sequence[OpenRecord],
    *,
    at: int | None,
    what: str,
    rollout: Object | None,
) -> Record:
    """The record that is asked for, of those that there are. Of one number the newest counts."""
    by_name: dict[str, Object] = {name_of(each): each for each in sorted(configmaps, key=_age)}
    numbers = {name: attempt_of(each) for name, each in by_name.items()}
    numbers |= {record.name: record.attempt for record in waiting}
    wanted = max(numbers.values(), default=0) if at is None else at
    name = next((n for n in reversed(list(numbers)) if numbers[n] == wanted), None)
    if name is None:
        there = ", ".join(str(n) for n in sorted(set(numbers.values())))
        kept = f"there are records of attempt {there}" if there else "no attempt was recorded yet"
        about = "" if at is None else f" of attempt {at}"
        raise Terminal("RecordNotFound", f"no record{about} at {what}: {kept}")
    rows = [row for record in waiting if record.name == name for row in record.rows]
    return _read(name, by_name.get(name), rows, rollout)


def _read(
    name: str, configmap: Object | None, waiting: Sequence[str], rollout: Object | None
) -> Record:
    found = tuple(rows_of(configmap or {"data": {"format": FORMAT}}, waiting=waiting))
    begin = found[0].body if found and found[0].kind == "begin" else {}
    labels = (configmap or {}).get("metadata", {}).get("labels", {})
    home = configmap or rollout or {}
    return Record(
        name=name,
        namespace=namespace_of(home) or "",
        model=str(begin.get("model") or labels.get(MODEL_LABEL, "")),
        rollout=str(begin.get("rollout") or labels.get(ROLLOUT_LABEL, "")),
        attempt=int(begin.get("attempt") or (attempt_of(configmap) if configmap else 0)),
        rows=found,
    )


def _rollout_of(configmap: Object) -> str:
    return str(configmap["metadata"].get("labels", {}).get(ROLLOUT_LABEL, ""))


def _age(configmap: Object) -> tuple[str, int]:
    return str(configmap["metadata"].get("creationTimestamp", "")), attempt_of(configmap)
