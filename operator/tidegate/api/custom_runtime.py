"""The runtime `custom`: an image of the user's own, with what Tidegate must know about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Duration, parse_duration, rules
from tidegate.api.resources import EnvVar, Resources

RESERVED_PORTS = (8081, 8082)
"""Those of Tidegate's own sidecar in the pod, and of the outputs of the runtime v2."""

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
_BY_NAME: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
HttpPath = Annotated[str, StringConstraints(pattern=r"^/[^\s#]*$", max_length=512)]
SeriesName = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=256)
]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=128)]
Word = Annotated[str, StringConstraints(max_length=4096)]


class LabelMatch(ApiModel):
    """One label that a series must have, with this value."""

    name: LabelName = Field(description="The label's name.")
    value: Annotated[str, StringConstraints(max_length=256)] = Field(description="Its value.")


_MATCH = {
    "default_factory": list, "max_length": 8,
    "description": "Only series with these labels are taken.", "json_schema_extra": _BY_NAME,
}  # fmt: skip


class CodeSeries(ApiModel):
    """A counter of answered requests."""

    name: SeriesName = Field(
        description="Name of the counter as it stands on the page, with _total where it has one."
    )
    code_label: LabelName | None = Field(
        default=None,
        description="The label that holds the HTTP status, or its first digit. Absent where the"
        " series counts one outcome alone: then `code` says which.",
    )
    code: Annotated[int, Field(ge=100, le=599)] | None = Field(
        default=None, description="The status of everything that this series counts, like 200."
    )
    labels: Annotated[list[LabelMatch], Field(**_MATCH)]

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.codeLabel) != has(self.code)",
                "say the status by codeLabel or by code: one of the two",
            )
        )
    )


class LatencySeries(ApiModel):
    """A histogram of how long requests took."""

    name: SeriesName = Field(description="Name of the histogram, without _bucket.")
    unit: Literal["s", "ms", "us"] = Field(default="s", description="What its bounds are in.")
    labels: Annotated[list[LabelMatch], Field(**_MATCH)]


class CustomMetrics(ApiModel):
    """Which of the image's own series count requests. A sidecar in each pod reads them and shows
    them as Tidegate's own, so that `source: Server` of an analysis can use them."""

    port: int = Field(ge=1, le=65535, description="Port of the page in Prometheus's format.")
    path: HttpPath = Field(default="/metrics", description="Its path.")
    requests: Annotated[list[CodeSeries], Field(min_length=1, max_length=8)] = Field(
        description="Counters that together count every answered request once.",
        json_schema_extra=_ATOMIC,
    )
    latency: LatencySeries | None = Field(
        default=None, description="How long requests took. Without it no metric Latency by server."
    )


class CustomRuntime(ApiModel):
    """Any image that serves HTTP on one port."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(self.port in [8081, 8082])",
                "ports 8081 and 8082 are Tidegate's own in the pod; take another port",
            ),
            (
                "!has(self.metrics) || !(self.metrics.port in [8081, 8082])",
                "ports 8081 and 8082 are Tidegate's own in the pod; take another metrics.port",
            ),
        )
    )

    image: Annotated[
        str,
        StringConstraints(min_length=1, max_length=512, pattern=r"^[^\s@:]+(:[^\s@]+)?(@\S+)?$"),
    ] = Field(
        description="The image. Give a tag that never moves, or a digest: what stands here is part"
        " of the revision's identity, what a tag means is not."
    )
    command: Annotated[list[Word], Field(max_length=64)] = Field(
        default_factory=list, description="Instead of the image's entry point.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    args: Annotated[list[Word], Field(max_length=64)] = Field(
        default_factory=list, description="Its arguments.", json_schema_extra=_ATOMIC
    )
    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(
        default_factory=list, description="Its environment, beside what every pod gets.",
        json_schema_extra=_BY_NAME,
    )  # fmt: skip
    port: int = Field(
        ge=1024, le=65535,
        description="Where it answers HTTP, on all addresses or on the one in POD_IP.",
    )  # fmt: skip
    ready_path: HttpPath = Field(
        description="Answers 200 once the model is loaded and answers, and anything else before:"
        " traffic follows it."
    )
    live_path: HttpPath | None = Field(
        default=None,
        description="Answers 200 while the process is well; the container is restarted when it"
        " fails three times. Absent: that the port takes connections is enough.",
    )
    artifact_path: Annotated[
        str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$", max_length=512)
    ] = Field(
        default="/mnt/models",
        description="Where the artifact stands in the container, read-only: a folder where it is a"
        " folder, else the file itself. TIDEGATE_ARTIFACT says the same.",
    )
    drain: Duration = Field(
        default=parse_duration("10s"),
        description="How long a pod that is to go still answers before it is told so by SIGTERM:"
        " the time until nobody sends it requests any more. It then has 20s more.",
    )
    metrics: CustomMetrics | None = Field(
        default=None, description="Which of its series count requests, for source: Server."
    )
    resources: Resources = Field(
        default=Resources(),
        description="Compute of its container. Without a request for cpu or memory it asks for 100m"
        " and 256Mi.",
    )
