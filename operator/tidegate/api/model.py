"""The kind Model: what to serve, and where it is reached.

The fields and their bounds are the contract with users (`kubectl explain models`); what follows
from them is decided in `domain/`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tidegate.api.approval import Approval
from tidegate.api.artifact import Artifact
from tidegate.api.base import ApiModel, rules
from tidegate.api.gate import GATE_LIMIT, Gate
from tidegate.api.lineage import Lineage
from tidegate.api.model_status import ModelStatus
from tidegate.api.runtime import Runtime
from tidegate.api.signature import Signature
from tidegate.api.traffic import Traffic
from tidegate.api.training import Training

BackendName = Literal["Native", "SeldonDeployment", "KServe"]


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


class ModelSpec(ApiModel):
    """What to serve, and where it is reached."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.delivery != 'Rollout' || has(self.traffic) || self.backend != 'Native'",
                (
                    "delivery: Rollout moves traffic by weights, so it needs spec.traffic;"
                    " add it, or use delivery: Direct"
                ),
            ),
            (
                "self.artifact.format != 'custom' || has(self.runtime.custom)",
                "artifact.format: custom is for runtime.custom; name the format for our own server",
            ),
            (
                "self.backend == 'Native' || !has(self.traffic)",
                (
                    "backend SeldonDeployment and KServe route requests themselves: remove"
                    " spec.traffic, or use backend: Native"
                ),
            ),
            (
                "self.backend == 'Native' || self.scaling.maxReplicas == self.scaling.minReplicas",
                (
                    "backend SeldonDeployment and KServe run a fixed number of pods: set"
                    " scaling.maxReplicas to scaling.minReplicas, or use backend: Native"
                ),
            ),
            (
                (
                    "self.backend == 'Native' || (has(self.runtime.v2)"
                    " && !has(self.runtime.v2.batching) && !has(self.runtime.v2.limits))"
                ),
                (
                    "backend SeldonDeployment and KServe serve by servers of their own: use"
                    " runtime.v2 with nothing but resources and env"
                ),
            ),
            (
                (
                    "self.backend == 'Native' || !has(self.gates)"
                    " || self.gates.all(gate, has(gate.metric) || has(gate.schema))"
                ),
                (
                    "backend SeldonDeployment and KServe have no pod to spare for a trial: use"
                    " gates on a metric or a schema, or backend: Native"
                ),
            ),
            (
                (
                    "!has(self.runtime.seldon) || !has(self.gates)"
                    " || self.gates.all(gate, !has(gate.requests))"
                ),
                (
                    "golden requests are of the Open Inference Protocol, which the runtime seldon"
                    " does not speak: use a gate with a job, or runtime.v2"
                ),
            ),
            (
                "self.backend == 'Native' || !has(self.artifact.signedBy)",
                (
                    "with backend SeldonDeployment and KServe no pod checks what it loads against"
                    " what was signed: remove artifact.signedBy, or use backend: Native"
                ),
            ),
            (
                (
                    "self.backend == 'Native' || self.artifact.format != 'mlflow'"
                    " || self.artifact.allowPickle"
                ),
                (
                    "with backend SeldonDeployment and KServe no pod checks what it loads, and"
                    " their servers for mlflow run pickles and code that come with a model: allow"
                    " that by artifact.allowPickle, or use backend: Native"
                ),
            ),
            (
                "self.backend == oldSelf.backend",
                (
                    "backend cannot be changed, because the arms of one Model run on one: create"
                    " a Model of another name"
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
    backend: BackendName = Field(
        default="Native",
        description="What runs the pods and splits requests between revisions. Native: Deployments"
        " and Services of Tidegate's own, with spec.traffic. SeldonDeployment (Seldon Core 1) and"
        " KServe (InferenceService in Standard mode, KServe 0.20 or newer): one object of that kind"
        " holds every revision, and its controller owns pods and routes. docs/backends.md says what"
        " each can do.",
    )
    traffic: Traffic | None = Field(
        default=None,
        description="How requests from outside reach it. Without it there is only the Service named"
        " after the Model, which always selects stable and bypasses canaries.",
    )
    signature: Signature | None = Field(default=None, description="What the model takes and gives.")
    gates: list[Gate] = Field(
        default_factory=list, max_length=GATE_LIMIT,
        description="What a new revision has to show before anything of it is delivered. It has one"
        " pod without traffic meanwhile. Not part of the revision's identity: an edited gate is"
        " judged anew, and restarts nothing.",
        json_schema_extra={
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        },
    )  # fmt: skip
    lineage: Lineage | None = Field(
        default=None,
        description="What a new revision must be traceable to. Not part of a revision's identity.",
    )
    approval: Approval | None = Field(
        default=None,
        description="A person must approve each version before it gets any traffic. Not part of the"
        " revision's identity. docs/approvals.md says how.",
    )
    training: Training | None = Field(
        default=None,
        description="How a new version of the artifact is trained, by schedule or by `tidegate"
        " retrain`. Not part of the revision's identity.",
    )
    revision_history_limit: int = Field(
        default=10, ge=0, le=100,
        description="How many old revisions are kept that serve no traffic.",
    )  # fmt: skip


class Model(ApiModel):
    """A machine-learning model: what to serve, and where it is reached."""

    spec: ModelSpec
    status: ModelStatus = Field(default_factory=ModelStatus)
