"""Compute and environment of a server's pod, for every runtime."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.api.base import ApiModel

Quantity = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)
]


class ResourceList(ApiModel):
    """Amounts of compute."""

    cpu: Quantity | None = Field(default=None, description="CPU cores, like 500m or 2.")
    memory: Quantity | None = Field(default=None, description="Memory, like 256Mi.")


class ResourceLimits(ResourceList):
    """Amounts of compute that may not be exceeded, and GPUs, which are asked for here alone."""

    nvidia_gpu: int | None = Field(
        default=None, ge=1, le=64, alias="nvidia.com/gpu",
        description="Whole GPUs of NVIDIA's device plugin; requested alike.",
    )  # fmt: skip
    amd_gpu: int | None = Field(
        default=None, ge=1, le=64, alias="amd.com/gpu",
        description="Whole GPUs of AMD's device plugin; requested alike.",
    )  # fmt: skip


class Resources(ApiModel):
    """Compute that a server pod asks for, and its limits."""

    requests: ResourceList | None = Field(default=None, description="What a pod is promised.")
    limits: ResourceLimits | None = Field(default=None, description="What a pod may not exceed.")


class EnvVar(ApiModel):
    """One environment variable."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)] = (
        Field(description="Its name.")
    )
    value: Annotated[str, StringConstraints(max_length=4096)] = Field(
        default="", description="Its value. No secrets here: they would be part of the revision."
    )
