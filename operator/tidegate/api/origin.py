"""Where a version of a model comes from: what its registry knows about it.

Read once when a version is resolved, frozen in its revision, judged by registry gates, followed by
lineage. What a registry does not know is absent, never guessed.
"""

from __future__ import annotations

from pydantic import Field

from tidegate.api.base import ApiModel, Timestamp
from tidegate.api.signature import Signature


class Dataset(ApiModel):
    """Data that a version was trained or measured on."""

    name: str = Field(max_length=256, description="Its name.")
    digest: str = Field(max_length=256, description="Its digest, in the registry's own form.")
    source: str | None = Field(default=None, max_length=1024, description="Where it came from.")
    context: str | None = Field(default=None, max_length=64, description="training, evaluation, …")
    rows: int | None = Field(default=None, ge=0, description="How many rows it has.")


class Measured(ApiModel):
    """A metric that the registry holds of a version, bound to the data it was measured on."""

    metric: str = Field(max_length=256, description="Its name.")
    value: float = Field(description="Its value; finite.")
    dataset: str | None = Field(default=None, max_length=256, description="Name of the data.")
    digest: str | None = Field(default=None, max_length=256, description="Digest of the data.")


class Origin(ApiModel):
    """What a registry knows about a version."""

    registry: str = Field(
        max_length=32, description="Kind of registry: mlflow, huggingface, wandb, …"
    )
    name: str = Field(max_length=256, description="Name of the model there.")
    version: str = Field(max_length=256, description="Its version there.")
    alias: str | None = Field(default=None, max_length=256, description="The alias asked for.")
    author: str | None = Field(
        default=None, max_length=256, description="Who registered it, as the registry names users."
    )
    created: Timestamp | None = Field(default=None, description="When it was registered.")
    run: str | None = Field(default=None, max_length=256, description="The run that made it.")
    git_commit: str | None = Field(default=None, max_length=64, description="Commit of its code.")
    git_branch: str | None = Field(default=None, max_length=256, description="Branch of its code.")
    git_repository: str | None = Field(default=None, max_length=1024, description="Its repository.")
    datasets: list[Dataset] = Field(
        default_factory=list, max_length=20, description="Data it was made of or measured on.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    metrics: list[Measured] = Field(
        default_factory=list, max_length=100, description="What was measured of it.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    signature: Signature | None = Field(
        default=None, description="What the artifact itself says it takes and gives."
    )
    libraries: dict[str, str] = Field(
        default_factory=dict, max_length=50,
        description="Libraries it was saved with, by name, and their versions.",
    )  # fmt: skip
    tags: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Tags of the version in the registry."
    )
