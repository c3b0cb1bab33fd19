"""The status of a Model: what was found, which revisions there are, which serves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.api.approval import ApprovalStatus
from tidegate.api.artifact import Format
from tidegate.api.base import ApiModel, Conditions, Sha256, Timestamp
from tidegate.api.gate import GATE_LIMIT, AdmissionStatus, GateResult
from tidegate.api.lineage import LineageStatus, Served
from tidegate.api.training import TrainingStatus
from tidegate.api.write_back import WriteBackStatus


class Resolved(ApiModel):
    """What the artifact's URI stood for when it was last asked."""

    version: str = Field(description="Version in the words of the source (an ETag, a time).")
    location: str = Field(description="Where that version can be fetched.")
    sha256: Sha256 = Field(description="SHA-256 of the artifact.")
    format: Format = Field(description="How it is stored.")
    size: int = Field(ge=0, description="Size in bytes; 0 where the source does not say.")
    kind: Literal["file", "tree"] = Field(
        default="file",
        description="A file, or a tree: a folder, whose sha256 is that of its manifest.",
    )
    immutable: bool = Field(
        default=False,
        description="Whether the location can never mean anything else. Where it can, a Rollout"
        " needs the cache (condition ArtifactMutable), so that stable can be restarted.",
    )
    at: Timestamp = Field(description="When this was first seen.")


RevisionPhase = Literal["Pending", "Trial", "Starting", "Ready", "Failed", "Retired"]


class RevisionStatus(ApiModel):
    """One revision, for people and for the delivery."""

    name: str = Field(
        description="Name of the ControllerRevision and of its Deployment and Service."
    )
    number: int = Field(ge=1, description="Counts up; a digest that comes back gets the next one.")
    digest: str = Field(description="Identity of the revision (SHA-256).")
    phase: RevisionPhase = Field(
        description="Pending, Trial (one pod without traffic, while gates are judged), Starting,"
        " Ready, Failed (will not be tried again) or Retired."
    )
    reason: str | None = Field(default=None, description="Why it is in that phase, one word.")
    message: str | None = Field(default=None, description="Why, for people, and what to do next.")
    at: Timestamp | None = Field(default=None, description="When the phase last changed.")
    gates: list[GateResult] = Field(
        default_factory=list, max_length=GATE_LIMIT,
        description="What the Model's gates said about it, in their order, while it is stable,"
        " previous, tried or asked for; then it is in the ConfigMap <model>-lineage.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    admission: AdmissionStatus | None = Field(
        default=None,
        description="Whether it may be delivered; only where the Model declares something to pass.",
    )
    served: Served | None = Field(default=None, description="How long it was stable.")
    lineage: str | None = Field(
        default=None,
        description="Hash of what is kept of it in the ConfigMap <model>-lineage, once it is.",
    )
    approval: ApprovalStatus | None = Field(
        default=None, description="Its approval, where the Model asks for one."
    )


class Rejection(ApiModel):
    """A digest that was taken back and is not tried again by itself."""

    digest: str = Field(description="Identity of the revision.")
    revision: str = Field(description="Its name.")
    reason: str = Field(description="Why it was rejected, one word.")
    message: str = Field(default="", description="Why, for people.")
    at: Timestamp = Field(description="When.")


class Draining(ApiModel):
    """A revision without traffic whose pods stay a while."""

    revision: str = Field(description="Its name.")
    until: Timestamp = Field(description="When its pods go.")


class ArmRevision(ApiModel):
    """A revision that is made because a Rollout's strategy asks for it: an arm of an abTest with
    an artifact of its own, or stable's twin. It is never `latestRevision`."""

    name: str = Field(description="The arm's name in the strategy; `twin` for aa.")
    source: str = Field(
        description="What it was made of: the artifact's SHA-256, or the revision it is a twin of."
    )
    revision: str | None = Field(default=None, description="Its name; absent while there is none.")
    digest: str | None = Field(default=None, description="Identity of the revision (SHA-256).")
    reason: str | None = Field(default=None, description="Why there is none, one word.")
    message: str | None = Field(default=None, description="Why, for people, and what to do next.")


class DeliveryStatus(ApiModel):
    """Which revision serves. Written by the delivery alone."""

    stable: str | None = Field(default=None, description="The revision that serves.")
    previous: str | None = Field(
        default=None, description="The stable before this one, kept warm in the rollback window."
    )
    candidate: str | None = Field(default=None, description="The revision that is being tried.")
    contenders: list[str] = Field(
        default_factory=list, max_length=4,
        description="Further revisions that have pods for an abTest, besides the candidate.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    draining: list[Draining] = Field(
        default_factory=list, max_length=20,
        description="Revisions without traffic whose pods stay a while: to finish what they were"
        " asked, or for a look at them; the newest 8.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    rejected: list[Rejection] = Field(
        default_factory=list, max_length=20,
        description="Digests that were taken back; the last 20. Above 3.6 kB the older ones say no"
        " more why: the ConfigMap <model>-lineage does.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip


class ModelStatus(ApiModel):
    """What was found and what serves. Tools read conditions; `phase` is for people."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation that Ready was said about."
    )
    resolved_generation: int | None = Field(
        default=None, ge=0, description="The generation that latestRevision was made from."
    )
    phase: str | None = Field(default=None, description="One word for people.")
    resolved: Resolved | None = Field(default=None, description="The artifact as last resolved.")
    latest_revision: str | None = Field(
        default=None, description="The revision of the current spec and the last poll."
    )
    revisions: list[RevisionStatus] = Field(
        default_factory=list, max_length=120,
        description="The revisions, newest first: stable, previous, what is tried or asked"
        " for, and of the others the newest that fit into 5.4 kB. All are ControllerRevisions; what"
        " is known of them is in the ConfigMap <model>-lineage.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    arms: list[ArmRevision] = Field(
        default_factory=list, max_length=5,
        description="Revisions that the Rollout's strategy asks for besides the latest.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    delivery: DeliveryStatus | None = Field(default=None, description="Which revision serves.")
    lineage: LineageStatus | None = Field(
        default=None, description="Where the revision that serves comes from, in short."
    )
    training: TrainingStatus | None = Field(
        default=None, description="What became of trainings. Written by the training controller."
    )
    write_back: WriteBackStatus | None = Field(
        default=None, description="What the registry was told of the delivery."
    )
    endpoint: str | None = Field(default=None, description="Where requests from outside go.")
    conditions: Conditions
