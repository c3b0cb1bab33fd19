"""The part of a Model that says what its registry is told of its delivery, and what it was told."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Timestamp, rules

RegistryName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$", max_length=255)
]


class OnPromoted(ApiModel):
    """What is written when a version serves."""

    alias: RegistryName = Field(
        description="The alias that is set to the version that serves, `champion` for one. Another"
        " than the one that the URI follows."
    )


class OnRejected(ApiModel):
    """What is written when a version is taken back or refused."""

    tag: RegistryName = Field(
        description="The tag that the version gets, `tidegate.rejected` for one; its value says"
        " why. It goes when that version serves after all."
    )


class WriteBack(ApiModel):
    """What the registry is told: at least once, after the fact, and never in the way of traffic."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.onPromoted) || has(self.onRejected)", "say onPromoted, onRejected, or both")
        )
    )

    on_promoted: OnPromoted | None = Field(
        default=None, description="What is written when a version serves."
    )
    on_rejected: OnRejected | None = Field(
        default=None, description="What is written when a version is taken back or refused."
    )


class Written(ApiModel):
    """Something that the registry was told."""

    revision: str = Field(description="The revision that it is about.")
    name: str = Field(description="Name of the model in the registry.")
    version: str = Field(description="Its version there.")
    key: str = Field(description="The alias, or the tag.")
    at: Timestamp = Field(description="When the registry took it.")


class WriteBackStatus(ApiModel):
    """What the registry was told last."""

    promoted: Written | None = Field(default=None, description="The alias, and where it was set.")
    rejected: list[Written] = Field(
        default_factory=list, max_length=20,
        description="The versions that were tagged; the last ten.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
