"""The part of a Model that says what it must be traceable to, and what is known of stable."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tidegate.api.base import ApiModel, Timestamp

Fact = Literal["run", "gitCommit", "dataset", "author"]
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class Lineage(ApiModel):
    """What a new revision must be traceable to. Not part of a revision's identity."""

    require: list[Fact] = Field(
        min_length=1, max_length=4,
        description="What the registry must know of a version: run (that made it), gitCommit (of"
        " its code), dataset (with a digest), author (who registered it). A revision that lacks one"
        " is refused (LineageMissing) before anything of it is delivered.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip


class LineageStatus(ApiModel):
    """Where the revision that serves comes from, in short; `tidegate lineage` tells all of it."""

    revision: str = Field(description="The revision that serves.")
    registry: str | None = Field(default=None, description="Kind of registry, if it has one.")
    version: str | None = Field(default=None, description="Its version there.")
    run: str | None = Field(default=None, description="The run that made it.")
    git_commit: str | None = Field(default=None, description="Commit of its code.")
    author: str | None = Field(default=None, description="Who registered it.")
    datasets: list[str] = Field(
        default_factory=list, max_length=20,
        description="Digests of the data that it was made of or measured on.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    training: int | None = Field(
        default=None, ge=1, description="Number of the training that made it."
    )


class Served(ApiModel):
    """How long a revision was stable; the last time, if it was several times."""

    since: Timestamp = Field(alias="from", description="Since when.")
    until: Timestamp | None = Field(default=None, description="Until when; absent while it is.")
