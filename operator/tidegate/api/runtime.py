"""The part of a Model that says what serves the artifact, with which compute."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tidegate.api.base import ApiModel, Duration, parse_duration, rules
from tidegate.api.custom_runtime import CustomRuntime
from tidegate.api.resources import EnvVar, Quantity, Resources

ENV: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}


class Batching(ApiModel):
    """Requests that wait are predicted together, as one matrix."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("duration(self.maxDelay) <= duration('1s')", "maxDelay may be 1s at most")
        )
    )

    max_size: int = Field(
        default=32, ge=2, le=10_000, description="Most rows that are predicted together."
    )
    max_delay: Duration = Field(
        default=parse_duration("0s"),
        description="How long the first request of a batch may be kept waiting for others, and only"
        " while requests come closely enough for one to be expected. 0s: only what waits anyhow,"
        " while another prediction runs, goes together.",
    )


class Limits(ApiModel):
    """What one pod refuses, before it costs memory or time."""

    max_body: Quantity | None = Field(
        default=None,
        description="Largest body of a request, like 16Mi, which it is when absent. Above: 413.",
    )
    max_rows: int | None = Field(
        default=None, ge=1, le=100_000_000,
        description="Most rows of a request; a million when absent. Above: 413.",
    )  # fmt: skip
    max_in_flight: int | None = Field(
        default=None, ge=1, le=100_000,
        description="Most requests that wait for a prediction at a time; 256 when absent. Above:"
        " 503 with Retry-After.",
    )  # fmt: skip


class V2Runtime(ApiModel):
    """Tidegate's own server of the Open Inference Protocol v2."""

    resources: Resources = Field(
        default=Resources(),
        description="Compute of one server pod. Part of the revision's identity. Without a request"
        " for cpu or memory a pod asks for 100m and 256Mi.",
    )
    env: Annotated[
        list[EnvVar],
        Field(
            default_factory=list,
            max_length=64,
            description="Extra environment of the server. Part of the revision's identity.",
            json_schema_extra=ENV,
        ),
    ]
    batching: Batching | None = Field(
        default=None,
        description="Predict requests that wait together. For models that give a row the same"
        " answer whatever stands beside it, and that take many rows nearly as quickly as one. Part"
        " of the revision's identity.",
    )
    limits: Limits | None = Field(
        default=None, description="What a pod refuses. Part of the revision's identity."
    )


class SeldonRuntime(ApiModel):
    """Our models behind the Python wrapper of seldon-core 1.19, for callers of Seldon's protocol.

    The wrapper is an optional extra under the Business Source License 1.1, in an image of its own.
    """

    resources: Resources = Field(
        default=Resources(),
        description="Compute of one server pod. Part of the revision's identity. Without a request"
        " for cpu or memory a pod asks for 100m and 256Mi.",
    )
    env: Annotated[
        list[EnvVar],
        Field(
            default_factory=list,
            max_length=64,
            description="Extra environment of the server. Part of the revision's identity.",
            json_schema_extra=ENV,
        ),
    ]
    threads: int = Field(
        default=4, ge=2, le=64,
        description="Requests that one pod answers at a time. It has one process: for more, more"
        " replicas. Part of the revision's identity.",
    )  # fmt: skip


class Runtime(ApiModel):
    """What serves the artifact: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.v2), has(self.seldon), has(self.custom)].filter(x, x).size() == 1",
                "name one runtime: v2, seldon or custom",
            )
        )
    )

    v2: V2Runtime | None = Field(
        default=None, description="Serve by Tidegate's Open Inference Protocol v2 server."
    )
    seldon: SeldonRuntime | None = Field(
        default=None,
        description="Serve by the wrapper of seldon-core 1.19, which speaks Seldon's protocol.",
    )
    custom: CustomRuntime | None = Field(
        default=None, description="Serve by an image of yours, whatever it speaks over HTTP."
    )

    @property
    def name(self) -> str:
        """The word of the member that is there."""
        if self.seldon is not None:
            return "seldon"
        return "custom" if self.custom is not None else "v2"
