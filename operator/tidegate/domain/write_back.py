"""What a registry is to be told of a Model's delivery, and what of it is still due. Pure.

What serves decides, not what happened on the way: an operator that was away tells the outcome. What
was told is remembered in status, so that at rest nothing is asked or written; a crash between the
telling and the remembering tells once more, and the same again changes nothing in the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tidegate.api.write_back import WriteBackStatus, Written
from tidegate.domain.conditions import Said
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tidegate.api.model_status import ModelStatus, Rejection
    from tidegate.api.origin import Origin
    from tidegate.api.write_back import WriteBack

CONDITION = "WrittenBack"
REGISTRY = "mlflow"
"""The kind of registry that can be told something."""
VALUE_LIMIT = 500
KEPT = 10
"""So many versions, the newest, are told and remembered: fewer than a Model's rejections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One thing to tell: an alias set to a version, or a tag that it gets or loses."""

    verb: Literal["alias", "tag", "untag"]
    revision: str
    name: str
    version: str
    key: str
    value: str = ""

    @property
    def shown(self) -> str:
        """For people."""
        of = f"version {self.version} of {self.name}"
        match self.verb:
            case "alias":
                return f"alias {self.key} is {of}"
            case "tag":
                return f"{of} has tag {self.key}"
            case "untag":
                return f"{of} has no tag {self.key} any more"


def due(spec: WriteBack, status: ModelStatus, origins: Mapping[str, Origin | None]) -> list[Write]:
    """What the registry has not been told yet. `origins` are those of the revisions that are kept;
    one that is of no registry is told to none."""
    told = status.write_back or WriteBackStatus()
    stable = status.delivery.stable if status.delivery else None
    found: list[Write] = []
    if spec.on_promoted is not None and stable is not None:
        found += _promoted(stable, origins, spec.on_promoted.alias, told.promoted)
    if stable is not None:
        found += [
            Write(verb="untag", revision=one.revision, name=one.name, version=one.version,
                  key=one.key)
            for one in told.rejected
            if one.revision == stable
        ]  # fmt: skip
    if spec.on_rejected is not None:
        known = {(one.name, one.version, one.key) for one in told.rejected}
        key = spec.on_rejected.tag
        known_of = [
            (revision, version, why)
            for revision, why in _rejected(status).items()
            if revision != stable and (version := _version(origins.get(revision))) is not None
        ]
        # No more than are remembered: what is forgotten would be told again, for ever.
        for revision, version, why in known_of[-KEPT:]:
            if (*version, key) not in known:
                found.append(
                    Write(verb="tag", revision=revision, name=version[0], version=version[1],
                          key=key, value=why[:VALUE_LIMIT])
                )  # fmt: skip
    return found


def untold(
    spec: WriteBack | None, status: ModelStatus, origins: Mapping[str, Origin | None]
) -> set[str]:
    """Revisions that were refused before they had traffic, of which the registry is still to be
    told: why stands in their entries of status alone."""
    if spec is None:
        return set()
    taken_back = {one.revision for one in status.delivery.rejected} if status.delivery else set()
    tagged = {write.revision for write in due(spec, status, origins) if write.verb == "tag"}
    return tagged - taken_back


def after(told: WriteBackStatus | None, write: Write, *, now: datetime) -> WriteBackStatus:
    """What was told, with one thing more."""
    told = told or WriteBackStatus()
    entry = Written(
        revision=write.revision, name=write.name, version=write.version, key=write.key,
        at=stamp(now.replace(microsecond=0)),
    )  # fmt: skip
    if write.verb == "alias":
        return told.model_copy(update={"promoted": entry})
    others = [
        one
        for one in told.rejected
        if (one.name, one.version, one.key) != (write.name, write.version, write.key)
    ]
    kept = [entry, *others][:KEPT] if write.verb == "tag" else others
    return told.model_copy(update={"rejected": kept})


def said(told: WriteBackStatus | None, *, problem: tuple[str, str] | None) -> Said:
    """The condition: that everything was told, or the reason and message of what is in the way."""
    if problem is not None:
        reason, message = problem
        return Said(CONDITION, "False", reason, f"{message}. It is tried again by itself")
    told = told or WriteBackStatus()
    parts = [] if told.promoted is None else [
        f"alias {told.promoted.key} of {told.promoted.name} is version {told.promoted.version}"
    ]  # fmt: skip
    if told.rejected:
        versions = ", ".join(one.version for one in told.rejected[:5])
        parts.append(f"tagged as rejected: {versions}")
    if not parts:
        return Said(
            CONDITION, "True", "NothingToWrite", "no version of the registry serves or was refused"
        )
    return Said(CONDITION, "True", "Written", "; ".join(parts))


def _promoted(
    stable: str, origins: Mapping[str, Origin | None], alias: str, told: Written | None
) -> Sequence[Write]:
    version = _version(origins.get(stable))
    if version is None:
        return ()
    if told is not None and (told.name, told.version, told.key) == (*version, alias):
        return ()
    return (Write(verb="alias", revision=stable, name=version[0], version=version[1], key=alias),)


def _rejected(status: ModelStatus) -> dict[str, str]:
    """Revisions that were taken back, oldest first, then those that were refused before they had
    traffic; and why."""
    refused = {
        entry.name: f"{entry.admission.reason}: {entry.admission.message}"
        for entry in status.revisions
        if entry.admission is not None and entry.admission.result == "Refused"
    }
    taken_back: Iterable[Rejection] = status.delivery.rejected if status.delivery else ()
    found = {
        one.revision: f"{one.reason}: {one.message}" if one.message else one.reason
        for one in taken_back
    }
    return {**found, **{name: why for name, why in refused.items() if name not in found}}


def _version(origin: Origin | None) -> tuple[str, str] | None:
    if origin is None or origin.registry != REGISTRY:
        return None
    return origin.name, origin.version
