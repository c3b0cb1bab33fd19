"""Gates of a Model: what a new revision has to show before anything of it is delivered.

Fields and bounds only; how a gate is judged stands in `domain/gates/`. A gate is no part of a
revision's identity: an edit of one restarts nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import (
    ApiModel,
    Duration,
    LocalRef,
    Timestamp,
    parse_duration,
    rules,
)
from tidegate.api.resources import EnvVar
from tidegate.api.signature import TENSORS, Tensor

GATE_LIMIT = 20
"""Most gates of a Model; their results stand in its status for every revision that matters."""

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
_Word = Annotated[str, StringConstraints(max_length=4096)]


class OutputExpectation(ApiModel):
    """What every value of one output must keep to, in every answer."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.min) || has(self.max)) != has(self.values)",
                "an expectation needs either min and/or max, or values",
            ),
            (
                "!(has(self.min) && has(self.max)) || self.min <= self.max",
                "min must be at most max",
            ),
        )
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Name of the output in answers."
    )
    min: float | None = Field(default=None, description="The least value; it must be a number.")
    max: float | None = Field(default=None, description="The largest; it must be a number.")
    values: list[Annotated[str, StringConstraints(max_length=256)]] | None = Field(
        default=None, min_length=1, max_length=100,
        description="The values that there may be, in quotes: texts as they are, numbers and"
        " booleans as JSON writes them.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip


class GoldenRequests(ApiModel):
    """Where recorded requests are, and what answers must keep to beside what was recorded."""

    config_map_ref: LocalRef = Field(
        description='A ConfigMap; each of its keys is JSON: {"request": {"inputs": […]},'
        ' "expected": {"outputs": […]}}, as the Open Inference Protocol writes them, or a list of'
        " such. With outputs, expected may be left out."
    )
    outputs: list[OutputExpectation] | None = Field(
        default=None, min_length=1, max_length=64,
        description="Ranges and categories that every answer must keep to, also where nothing is"
        " recorded of it.",
        json_schema_extra=TENSORS,
    )  # fmt: skip


class GateJob(ApiModel):
    """A container that judges the pod on trial."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="Its image. It runs as user 65532 with a read-only root; /tmp is writable."
    )
    command: Annotated[list[_Word], Field(max_length=64)] = Field(
        default_factory=list, description="Its entry point, instead of the image's.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    args: Annotated[list[_Word], Field(max_length=64)] = Field(
        default_factory=list, description="Its arguments.", json_schema_extra=_ATOMIC
    )
    env: list[EnvVar] = Field(
        default_factory=list, max_length=64,
        description="Its environment, besides TIDEGATE_URL (where the pod on trial listens),"
        " TIDEGATE_MODEL, TIDEGATE_NAMESPACE, TIDEGATE_REVISION, TIDEGATE_GATE and TIDEGATE_REPORT"
        " (the file that a report is written to).",
        json_schema_extra={
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        },
    )  # fmt: skip
    timeout: Duration = Field(
        default=parse_duration("10m"), description="How long it may take; then the gate fails."
    )


class DataSchema(ApiModel):
    """What callers send, what they need, and how much data it was trained on."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.inputs) && size(self.inputs) > 0) || has(self.minRows)",
                "a schema needs inputs, minRows or both",
            ),
            (
                (
                    "!has(self.outputs) || size(self.outputs) == 0"
                    " || (has(self.inputs) && size(self.inputs) > 0)"
                ),
                "outputs go with inputs",
            ),
        )
    )

    inputs: list[Tensor] = Field(
        default_factory=list, max_length=512,
        description="What callers send: all that it may take.",
        json_schema_extra=TENSORS,
    )  # fmt: skip
    min_rows: int | None = Field(
        default=None, ge=1, le=2**53,
        description="How many rows a data set that it was trained on must have, as the registry has"
        " it: logged by mlflow.log_input.",
    )  # fmt: skip
    outputs: list[Tensor] = Field(
        default_factory=list, max_length=64, description="What callers need; it may give more.",
        json_schema_extra=TENSORS,
    )  # fmt: skip


class Gate(ApiModel):
    """One thing that a new revision has to show: a metric, a schema, answers, a job's verdict."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "[has(self.metric), has(self.schema), has(self.requests), has(self.job)]"
                    ".filter(form, form).size() == 1"
                ),
                "a gate needs exactly one of metric, schema, requests and job",
            ),
            (
                ("!has(self.metric) || (has(self.min) || has(self.max)) != has(self.relativeTo)"),
                (
                    "a metric needs bounds: either min and/or max, or relativeTo with maxDrop or"
                    " maxRise"
                ),
            ),
            (
                (
                    "has(self.metric) || !(has(self.min) || has(self.max) || has(self.dataset)"
                    " || has(self.relativeTo) || has(self.maxDrop) || has(self.maxRise))"
                ),
                "min, max, dataset, relativeTo, maxDrop and maxRise go with metric",
            ),
            (
                "has(self.relativeTo) == (has(self.maxDrop) || has(self.maxRise))",
                (
                    "relativeTo: stable needs maxDrop (higher is better) or maxRise (lower is"
                    " better), and these need it"
                ),
            ),
            (
                "!(has(self.maxDrop) && has(self.maxRise))",
                "give maxDrop (higher is better) or maxRise (lower is better), not both",
            ),
            (
                "!(has(self.min) && has(self.max)) || self.min <= self.max",
                "min must be at most max",
            ),
            (
                "has(self.requests) || !(has(self.tolerance) || has(self.maxLatency))",
                "tolerance and maxLatency go with requests",
            ),
        )
    )

    name: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    ] = Field(description="Its name, in results and messages.")
    metric: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None, description="Name of a metric that the registry holds of the version."
    )
    min: float | None = Field(default=None, description="The value must be at least this.")
    max: float | None = Field(default=None, description="The value must be at most this.")
    dataset: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None,
        description="Digest of the data that the metric must have been measured on, in the"
        " registry's own form. Without it, the metric must be there for one set of data only.",
    )
    relative_to: Literal["stable"] | None = Field(
        default=None,
        description="Compare with the same metric of the revision that serves, measured on the same"
        " data. While none serves, the gate passes with reason NoStable.",
    )
    max_drop: float | None = Field(
        default=None, ge=0,
        description="How much lower than stable's the value may be, for metrics of which more is"
        " better; absolute, in the metric's unit.",
    )  # fmt: skip
    max_rise: float | None = Field(
        default=None, ge=0,
        description="How much higher than stable's the value may be, for metrics of which less is"
        " better; absolute, in the metric's unit.",
    )  # fmt: skip

    requests: GoldenRequests | None = Field(
        default=None,
        description="Recorded requests that are sent to the pod on trial; its answers must be as"
        " recorded.",
    )
    tolerance: float | None = Field(
        default=None, ge=0,
        description="How far a number of an answer may be off, absolute, in the output's own unit;"
        " 1e-6 unless given. What is no number must be equal.",
    )  # fmt: skip
    max_latency: Duration | None = Field(
        default=None,
        description="What the 95th percentile of the times of at least 20 answers may be, one"
        " request after the other, as the operator measures them.",
    )

    job: GateJob | None = Field(
        default=None,
        description="A container that judges the pod on trial: exit code 0 passes. A JSON object"
        ' {"value": …, "bound": …, "message": …} as the last line of $TIDEGATE_REPORT, or of its'
        " log where it fails, stands in the result.",
    )

    data_schema: DataSchema | None = Field(
        default=None, alias="schema",
        description="What callers send, and which outputs they need. The artifact's own signature"
        " must take exactly these inputs, by name and type (and shape where it is given), and give"
        " at least these outputs. And how many rows it must have been trained on.",
    )  # fmt: skip

    @property
    def needs_pod(self) -> bool:
        """Whether it is judged on the pod on trial."""
        return self.requests is not None or self.job is not None


GateVerdict = Literal["Pending", "Passed", "Failed", "Skipped"]


class GateResult(ApiModel):
    """What a gate said about a revision."""

    name: str = Field(max_length=40, description="Name of the gate.")
    gate: str = Field(
        max_length=16, description="Hash of the gate as it was judged; an edit makes another."
    )
    result: GateVerdict = Field(
        description="Pending (not judged yet), Passed, Failed, or Skipped (the revision served"
        " before the gate was declared)."
    )
    reason: str = Field(max_length=64, description="Why, one word.")
    value: float | None = Field(default=None, description="What was measured; finite.")
    bound: str | None = Field(
        default=None, max_length=64, description="What it had to keep to: `min 0.65`."
    )
    source: str | None = Field(
        default=None, max_length=512, description="Where the value is from, and of which data."
    )
    message: str = Field(
        default="", max_length=1024, description="Why, for people, and what to do next."
    )
    at: Timestamp | None = Field(default=None, description="When it was judged.")


class AdmissionStatus(ApiModel):
    """Whether a revision may be delivered. The delivery starts nothing that is not admitted."""

    result: Literal["Admitted", "Waiting", "Refused"] = Field(
        description="Admitted, Waiting (for gates or a person), or Refused: remembered, and not"
        " tried again by itself."
    )
    reason: str = Field(max_length=64, description="Why, one word.")
    message: str = Field(
        default="", max_length=1024, description="Why, for people, and what to do next."
    )
    at: Timestamp = Field(description="Since when.")
    again: str | None = Field(
        default=None, max_length=64,
        description="The annotation tidegate.dev/judge-again as it was last read: another value has"
        " a revision that was refused judged anew.",
    )  # fmt: skip
