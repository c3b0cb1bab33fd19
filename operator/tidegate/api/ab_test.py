"""Comparing arms rather than bringing one in: the strategies abTest and aa.

The fields and their bounds are the contract with users; what follows from them is in
`domain/rollout` (contest*.py for abTest, trialing.py for aa).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.artifact import DVC_RULE, KNOWN_SCHEME, MODELS_RULE, WANDB_RULE, Format
from tidegate.api.base import ApiModel, Duration, Sha256, lasting, parse_duration, rules

MAX_ARMS = 5
MAX_TRIALS = 50

ArmName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=20)
]
TokenName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", min_length=1, max_length=64)
]


class ArmArtifact(ApiModel):
    """Another artifact for the same Model: runtime, signature and all else are the Model's."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            KNOWN_SCHEME,
            MODELS_RULE,
            DVC_RULE,
            WANDB_RULE,
        )
    )

    uri: Annotated[str, StringConstraints(min_length=8, max_length=2048)] = Field(
        description="Where the artifact is, as in a Model."
    )
    sha256: Sha256 = Field(
        description="SHA-256 of the artifact, 64 lower-case hex digits. Required: a test compares"
        " exactly what it names, from its first request to its last."
    )
    format: Format = Field(description="How the artifact is stored, as in a Model.")


class AbArm(ApiModel):
    """One arm of a test: a revision of the Model, or another artifact for it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.revision) != has(self.artifact)",
                "an arm has exactly one of revision (stable or latest) and artifact",
            ),
        )
    )

    name: ArmName = Field(description="Its name, unique in the test; callers' cookies hold it.")
    revision: Literal["stable", "latest"] | None = Field(
        default=None,
        description="stable: what serves now. latest: the Model's latest revision.",
    )
    artifact: ArmArtifact | None = Field(
        default=None, description="Another artifact for the same Model."
    )


class StickyBy(ApiModel):
    """How callers keep to the arm that they got first: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.cookie) != has(self.header)",
                "name exactly one of cookie (the gateway sets it) and header (callers bring it)",
            ),
        )
    )

    cookie: TokenName | None = Field(
        default=None,
        description="Name of a cookie that the first answer sets. New callers are counted by it.",
    )
    header: TokenName | None = Field(
        default=None,
        description="Name of a header whose value is the name of an arm. Callers without it go by"
        " weight. Callers cannot be counted by it, only requests.",
    )


_ARMS: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "x-kubernetes-validations": [
        {
            "rule": "self.exists_one(a, has(a.revision) && a.revision == 'stable')",
            "message": "exactly one arm has revision: stable: the others are compared with what"
            " serves",
        },
        {
            "rule": "self.filter(a, has(a.revision) && a.revision == 'latest').size() <= 1",
            "message": "at most one arm has revision: latest; give the others an artifact, or use"
            " strategy aa to compare a revision with itself",
        },
        {
            "rule": "self.all(a, !has(a.artifact) || self.exists_one(b, has(b.artifact)"
            " && b.artifact.sha256 == a.artifact.sha256))",
            "message": "two arms have the same artifact; to see how often equal arms look"
            " different use strategy aa",
        },
    ],
}


class AbTest(ApiModel):
    """Two to five arms side by side until one is shown to fail least."""

    arms: list[AbArm] = Field(
        min_length=2, max_length=MAX_ARMS, description="The arms.", json_schema_extra=_ARMS
    )
    sticky_by: StickyBy | None = Field(
        default=None,
        description="How callers keep to their arm, and whether callers or requests are compared:"
        " by cookie each new caller counts once, by the answer to its first request; else every"
        " request counts.",
    )
    allocation: Literal["Equal", "TopTwo"] = Field(
        default="Equal",
        description="How traffic is shared out. Equal: evenly, all the time. TopTwo: more and more"
        " to the two arms that may be best, at least 5 % to each (top-two Thompson sampling).",
    )
    goal: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="Name of the metric, of type ErrorRate or Counters, on whose failures the"
        " winner is decided. With Counters what they count is compared, sticky or not."
    )
    min_duration: Duration = Field(
        default=parse_duration("1h"),
        description="Shortest observed time before a winner is named.",
        json_schema_extra=lasting("0s", "90d", like="7d"),
    )


class AaTest(ApiModel):
    """Stable against a twin of itself: how often do this cluster's metrics cry wolf?"""

    weight: int = Field(
        default=10, ge=1, le=50, description="Per cent of the requests that the twin gets."
    )
    trials: int = Field(
        default=20, ge=1, le=MAX_TRIALS,
        description="How many trials. Each judges the twin from nothing by the analysis that is"
        " declared.",
    )  # fmt: skip
    duration: Duration = Field(
        default=parse_duration("30m"),
        description="Observed time of one trial; a false alarm ends it early.",
        json_schema_extra=lasting("1s", "7d", like="30m"),
    )
