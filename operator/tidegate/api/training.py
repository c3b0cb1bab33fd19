"""The part of a Model that says how a new version is trained, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import (
    ApiModel,
    Duration,
    LocalRef,
    ObjectName,
    Timestamp,
    parse_duration,
    rules,
)

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class Pipeline(ApiModel):
    """A version of a Kubeflow pipeline, and what it is run with."""

    endpoint: Annotated[
        str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=512)
    ] = Field(description="Address of the Kubeflow Pipelines API, without /apis: http://host:8888.")
    pipeline_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        alias="pipelineID", description="Id of the pipeline."
    )
    pipeline_version_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        alias="pipelineVersionID", description="Id of its version: what runs is never a moving one."
    )
    experiment_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, alias="experimentID", description="Experiment that the run is shown in."
    )
    service_account: ObjectName | None = Field(
        default=None, description="Service account that the pipeline's pods run as."
    )
    parameters: dict[str, Annotated[str, StringConstraints(max_length=4096)]] = Field(
        default_factory=dict, max_length=64, description="Values of the pipeline's parameters."
    )
    credentials_ref: LocalRef | None = Field(
        default=None,
        description="Secret with the key `token`, sent as a bearer token; its annotation"
        " tidegate.dev/hosts must list the endpoint's host. Without it none is sent.",
    )


class JobFrom(ApiModel):
    """What a training is made of: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.cronJobRef), has(self.trainJobRef), has(self.kfp)].exists_one(m, m)",
                "name exactly one of cronJobRef, trainJobRef and kfp",
            )
        )
    )

    cron_job_ref: LocalRef | None = Field(
        default=None,
        description="A suspended CronJob: a training is a Job made from its template, as `kubectl"
        " create job --from` makes it.",
    )
    train_job_ref: LocalRef | None = Field(
        default=None,
        description="A suspended TrainJob (trainer.kubeflow.org/v1alpha1): a training is a copy of"
        " it that runs.",
    )
    kfp: Pipeline | None = Field(
        default=None, description="A run of a Kubeflow pipeline (API v2beta1)."
    )


class Training(ApiModel):
    """How a new version of the artifact is trained. Not part of a revision's identity."""

    job_from: JobFrom = Field(description="What a training is made of: exactly one member.")
    schedule: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None,
        description='When to train, as a CronJob says it: "0 3 * * 1" is Mondays at three. Without'
        " it a training is made by hand only (tidegate retrain). One that is due while another"
        " runs is left out.",
    )
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="Time zone of the schedule, like Europe/Berlin; UTC without it."
    )
    retries: int = Field(
        default=1, ge=0, le=10,
        description="How often a training that failed is made again, with a growing pause, before"
        " it counts as failed.",
    )  # fmt: skip
    timeout: Duration = Field(
        default=parse_duration("6h"),
        description="How long one try may take; one that takes longer is stopped and has failed.",
    )


class Produced(ApiModel):
    """What a training registered."""

    version: str | None = Field(default=None, max_length=256, description="Version it registered.")
    revision: str | None = Field(default=None, description="Revision that was made of it.")


TrainingPhase = Literal["Pending", "Running", "Succeeded", "Failed"]


class TrainingRun(ApiModel):
    """One training, for people and for what follows from it."""

    number: int = Field(ge=1, description="Counts up.")
    asked_by: Literal["Schedule", "Command", "Monitor"] = Field(description="What asked for it.")
    by: str | None = Field(default=None, max_length=128, description="Who asked, if a person did.")
    at: Timestamp = Field(description="When it was asked for, or due.")
    phase: TrainingPhase = Field(description="Pending, Running, Succeeded or Failed.")
    attempt: int = Field(default=1, ge=1, description="Which try this is.")
    job: str = Field(description="Name of the present try: of its Job, TrainJob or pipeline run.")
    run_id: str | None = Field(default=None, description="Id of the pipeline run, once it has one.")
    started_at: Timestamp | None = Field(default=None, description="When the present try began.")
    retry_at: Timestamp | None = Field(default=None, description="When the next try begins.")
    ended_at: Timestamp | None = Field(default=None, description="When it ended.")
    reason: str | None = Field(default=None, max_length=128, description="Why, one word.")
    message: str | None = Field(default=None, max_length=1024, description="Why, for people.")
    produced: Produced | None = Field(default=None, description="What it registered.")


class RetrainResult(ApiModel):
    """The last command to train, and what came of it."""

    id: str = Field(max_length=64, description="The command's id.")
    by: str | None = Field(default=None, max_length=128, description="Who sent it.")
    at: Timestamp = Field(description="When it was answered.")
    result: str = Field(max_length=512, description="Done, or Ignored: why.")


class TrainingStatus(ApiModel):
    """What became of trainings."""

    runs: list[TrainingRun] = Field(
        default_factory=list, max_length=10,
        description="The last trainings, newest first: ten where they fit into 1.5 kB, and at least"
        " three.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    scheduled_until: Timestamp | None = Field(
        default=None, description="Up to when the schedule has been looked at."
    )
    last_command: RetrainResult | None = Field(
        default=None, description="The last command to train, and what came of it."
    )
