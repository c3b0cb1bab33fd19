"""Where a revision comes from and what became of it, as facts that outlive it. Pure.

A revision's facts are kept in parts (made, origin, gates, approval, training, served, rejected),
each one JSON object. Parts are added and replaced, never taken away: what is forgotten in status
stays known here.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tidegate.api.lineage import LineageStatus, Served
from tidegate.api.origin import Origin
from tidegate.domain.short_words import is_cut
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.api.lineage import Fact
    from tidegate.api.model_status import ModelStatus, RevisionStatus
    from tidegate.api.training import TrainingRun

type Part = dict[str, Any]

PARTS = ("made", "origin", "gates", "approval", "training", "served", "rejected")
_MENDS = {
    "run": "register it from a tracked run",
    "gitCommit": "train it inside a git checkout, with git installed",
    "dataset": "log its data as a dataset input of the run",
    "author": "register it as a user that the registry knows",
}


def parts_of(
    revision: Mapping[str, Any], entry: RevisionStatus | None, status: ModelStatus
) -> dict[str, Part]:
    """What is known now of a revision: its ControllerRevision, its entry in status, and what the
    Model's status says of it besides."""
    name, data = revision["metadata"]["name"], revision["data"]
    parts: dict[str, Part] = {"made": _made(revision)}
    if data.get("origin"):
        parts["origin"] = data["origin"]
    run = training_of(status, name)
    if run is not None:
        parts["training"] = run.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"produced", "message", "reason"}
        )
    if entry is not None:
        # Status keeps the words of gates in full for the latest alone; here they stand in full.
        if entry.gates and (name == status.latest_revision or entry.lineage is None):
            gates = [gate.wire() for gate in entry.gates if gate.result != "Pending"]
            parts["gates"] = {"results": gates}
        if entry.approval is not None and entry.approval.by:
            parts["approval"] = entry.approval.wire()
        if entry.served is not None:
            parts["served"] = entry.served.wire()
    for rejection in status.delivery.rejected if status.delivery else ():
        # Older ones stand in status in fewer words, or none; here they stand in full.
        fewer = is_cut(rejection.message) or not rejection.message
        known = entry is None or entry.lineage is not None
        if rejection.revision == name and not (fewer and known):
            parts["rejected"] = rejection.wire()
    return parts


def digest_of_parts(parts: Mapping[str, Part]) -> str:
    """A short hash that says whether anything of them changed."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lacking(required: Sequence[Fact], origin: Origin | None) -> str:
    """Which of the required facts are not known, with how to mend each; empty when all are."""
    known = {
        "run": bool(origin and origin.run),
        "gitCommit": bool(origin and origin.git_commit),
        "dataset": any(data.digest for data in (origin.datasets if origin else ())),
        "author": bool(origin and origin.author),
    }
    missing = [fact for fact in required if not known[fact]]
    if not missing:
        return ""
    if origin is None:
        return (
            f"spec.lineage requires {', '.join(missing)}, and no registry knows this artifact; use"
            " a registry's URI, like models:/name@alias"
        )
    mends = "; ".join(f"{fact}: {_MENDS[fact]}" for fact in missing)
    return f"{origin.registry} does not know its {', '.join(missing)} ({mends})"


def training_of(status: ModelStatus, revision: str) -> TrainingRun | None:
    """The training that made a revision, if it is known."""
    runs = status.training.runs if status.training else []
    return next((r for r in runs if r.produced and r.produced.revision == revision), None)


def in_short(status: ModelStatus, name: str, origin: Origin | None) -> LineageStatus:
    """Where the revision that serves comes from, for `status.lineage`."""
    run = training_of(status, name)
    number = run.number if run is not None else None
    before = status.lineage
    if number is None and before is not None and before.revision == name:
        number = before.training  # the training is not in the last ten any more
    if origin is None:
        return LineageStatus(revision=name, training=number)
    return LineageStatus(
        revision=name,
        registry=origin.registry,
        version=origin.version,
        run=origin.run,
        git_commit=origin.git_commit,
        author=origin.author,
        datasets=sorted({data.digest for data in origin.datasets}),
        training=number,
    )


def served(before: Served | None, *, is_stable: bool, now: datetime) -> Served | None:
    """How long a revision was stable, after this look."""
    if is_stable:
        return before if before is not None and before.until is None else Served(since=stamp(now))
    if before is not None and before.until is None:
        return before.model_copy(update={"until": stamp(now)})
    return before


def origin_of(revision: Mapping[str, Any]) -> Origin | None:
    """What the registry knew of a revision's version."""
    found = revision["data"].get("origin")
    return Origin.model_validate(found) if found else None


def _made(revision: Mapping[str, Any]) -> Part:
    data, metadata = revision["data"], revision["metadata"]
    identity = data["identity"]
    return {
        "revision": metadata["name"],
        "number": revision.get("revision", 1),
        "digest": metadata.get("annotations", {}).get("tidegate.dev/digest", ""),
        "at": metadata.get("creationTimestamp", ""),
        "artifact": data["artifact"],
        "format": identity["artifact"].get("format"),
        "runtime": {key: identity["runtime"].get(key) for key in ("name", "image")},
    }
