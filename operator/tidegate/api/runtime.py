"""The part of a Model that says what serves the artifact, with which compute."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, rules

Quantity = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)
]


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
