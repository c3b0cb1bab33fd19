"""The kind Model: what to serve, and where it is reached.

The fields and their bounds are the contract with users (`kubectl explain models`); what follows
from them is decided in `domain/`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import (
    ApiModel,
    Conditions,
    Duration,
    Sha256,
    Timestamp,
    parse_duration,
    rules,
)
from tidegate.api.traffic import Traffic

Format = Literal["sklearn-skops", "sklearn-joblib", "onnx"]
DataType = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BYTES",
]  # fmt: skip
Quantity = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)
]


class Artifact(ApiModel):
    """Where the model's file is, and what it must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "self.uri.startsWith('file://') || self.uri.startsWith('http://')"
                    " || self.uri.startsWith('https://')"
                ),
                "uri must begin with file://, http:// or https://",
            ),
        )
    )

    uri: Annotated[str, StringConstraints(min_length=8, max_length=2048)] = Field(
        description="Where the artifact is: file:///path (only below the folder that the operator's"
        " TIDEGATE_FILE_ROOT names), http://… or https://…. What stands behind it is hashed; a"
        " change"
        " of content makes a new revision."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the artifact, 64 lower-case hex digits. When given, anything else"
        " that is found behind the URI is refused (condition Verified, reason DigestMismatch).",
    )
    format: Format = Field(
        description="How the artifact is stored. sklearn-skops loads without running code of the"
        " artifact; sklearn-joblib can run any code when it is loaded, so it is never guessed, only"
        " used when named here; onnx is run by ONNX Runtime."
    )
    poll_interval: Duration = Field(
        default=parse_duration("1m"),
        description="How often the URI is asked whether its content changed. An unchanged one costs"
        " a conditional request. Not asked at all when sha256 is given.",
    )


class ResourceList(ApiModel):
    """Amounts of compute."""

    cpu: Quantity | None = Field(default=None, description="CPU cores, like 500m or 2.")
    memory: Quantity | None = Field(default=None, description="Memory, like 256Mi.")


class Resources(ApiModel):
    """Compute that a server pod asks for, and its limits."""

    requests: ResourceList | None = Field(default=None, description="What a pod is promised.")
    limits: ResourceList | None = Field(default=None, description="What a pod may not exceed.")


class EnvVar(ApiModel):
    """One environment variable."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)] = (
        Field(description="Its name.")
    )
    value: Annotated[str, StringConstraints(max_length=4096)] = Field(
        default="", description="Its value. No secrets here: they would be part of the revision."
    )


class V2Runtime(ApiModel):
    """Tidegate's own server of the Open Inference Protocol v2."""

    resources: Resources = Field(
        default=Resources(),
        description="Compute of one server pod. Part of the revision's identity.",
    )
    env: Annotated[
        list[EnvVar],
        Field(
            default_factory=list,
            max_length=64,
            description="Extra environment of the server. Part of the revision's identity.",
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ]


class Runtime(ApiModel):
    """What serves the artifact: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.v2)", "name the runtime: v2 is the one there is"))
    )

    v2: V2Runtime | None = Field(
        default=None, description="Serve by Tidegate's Open Inference Protocol v2 server."
    )


class Scaling(ApiModel):
    """How many pods an arm has when it carries all traffic."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.maxReplicas >= self.minReplicas",
                "maxReplicas must be at least minReplicas",
            )
        )
    )

    min_replicas: int = Field(
        default=1, ge=1, le=1000, description="Fewest pods of an arm that carries all traffic."
    )
    max_replicas: int = Field(
        default=1, ge=1, le=1000,
        description="Most pods of one arm. Above minReplicas each arm gets an autoscaler.",
    )  # fmt: skip
    target_cpu: int = Field(
        default=70, ge=1, le=100, alias="targetCPU",
        description="Mean CPU use, in per cent of the request, that the autoscaler aims at.",
    )  # fmt: skip


class Tensor(ApiModel):
    """One input or output of the model."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Its name in requests and answers."
    )
    type: DataType = Field(description="Its data type, as the Open Inference Protocol writes it.")
    shape: Annotated[list[int], Field(max_length=8)] | None = Field(
        default=None,
        description="Its shape after the batch dimension; absent for one value a row; -1 is any.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


_TENSORS: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class Signature(ApiModel):
    """What the model takes and gives. A server refuses to start when the artifact does not fit."""

    inputs: list[Tensor] = Field(
        min_length=1, max_length=512, description="What it takes, in the model's column order.",
        json_schema_extra=_TENSORS,
    )  # fmt: skip
    outputs: list[Tensor] = Field(
        min_length=1, max_length=64, description="What it gives.", json_schema_extra=_TENSORS
    )


class ModelSpec(ApiModel):
    """What to serve, and where it is reached."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.delivery != 'Rollout' || has(self.traffic)",
                (
                    "delivery: Rollout moves traffic by weights, so it needs spec.traffic;"
                    " add it, or use delivery: Direct"
                ),
            ),
        )
    )

    delivery: Literal["Direct", "Rollout"] = Field(
        default="Direct",
        description="Direct: a new revision takes all traffic as soon as it is ready. Rollout: only"
        " a Rollout that names this Model moves traffic; without one the first revision waits.",
    )
    artifact: Artifact = Field(description="The model's file.")
    runtime: Runtime = Field(description="What serves it: exactly one member.")
    scaling: Scaling = Field(
        default=Scaling(), description="How many pods. Not part of the revision's identity."
    )
    traffic: Traffic | None = Field(
        default=None,
        description="How requests from outside reach it. Without it there is only the Service named"
        " after the Model, which always selects stable and bypasses canaries.",
    )
    signature: Signature | None = Field(default=None, description="What the model takes and gives.")
    revision_history_limit: int = Field(
        default=10, ge=0, le=100,
        description="How many old revisions are kept that serve no traffic.",
    )  # fmt: skip


class Resolved(ApiModel):
    """What the artifact's URI stood for when it was last asked."""

    version: str = Field(description="Version in the words of the source (an ETag, a time).")
    location: str = Field(description="Where that version can be fetched.")
    sha256: Sha256 = Field(description="SHA-256 of the artifact.")
    format: Format = Field(description="How it is stored.")
    size: int = Field(ge=0, description="Size in bytes.")
    at: Timestamp = Field(description="When this was first seen.")


RevisionPhase = Literal["Pending", "Starting", "Ready", "Failed", "Retired"]


class RevisionStatus(ApiModel):
    """One revision, for people and for the delivery."""

    name: str = Field(
        description="Name of the ControllerRevision and of its Deployment and Service."
    )
    number: int = Field(ge=1, description="Counts up; a digest that comes back gets the next one.")
    digest: str = Field(description="Identity of the revision (SHA-256).")
    phase: RevisionPhase = Field(
        description="Pending, Starting, Ready, Failed (will not be tried again) or Retired."
    )
    reason: str | None = Field(default=None, description="Why it is in that phase, one word.")
    message: str | None = Field(default=None, description="Why, for people, and what to do next.")
    at: Timestamp | None = Field(default=None, description="When the phase last changed.")


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
        " asked, or for a look at them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    rejected: list[Rejection] = Field(
        default_factory=list, max_length=20,
        description="Digests that were taken back; the last 20.",
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
        description="The revisions that are kept, newest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    arms: list[ArmRevision] = Field(
        default_factory=list, max_length=5,
        description="Revisions that the Rollout's strategy asks for besides the latest.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    delivery: DeliveryStatus | None = Field(default=None, description="Which revision serves.")
    endpoint: str | None = Field(default=None, description="Where requests from outside go.")
    conditions: Conditions


class Model(ApiModel):
    """A machine-learning model: what to serve, and where it is reached."""

    spec: ModelSpec
    status: ModelStatus = Field(default_factory=ModelStatus)
