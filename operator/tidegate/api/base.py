"""What all kinds share: the base model, durations, conditions, references.

Owns how a Python field becomes a field of a CustomResourceDefinition; holds no rule of any one
kind.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

GROUP = "tidegate.dev"
VERSION = "v1alpha1"

NAME_LIMIT = 40
"""Longest `metadata.name` of our kinds: names of children append a hash and stay under 63."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
DURATION_PATTERN = "^([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$"
"""Each unit once, the largest first. What the schema accepts stays below 1400 years: added to a
date, it still is a date."""
DURATION_PROBLEM = "write a duration like 90s, 10m, 2h30m or 7d: largest unit first"


def parse_duration(text: object) -> timedelta:
    """`"2h30m"` as a timedelta. Raises ValueError with an example when it is no duration."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not text or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write it like 90s, 10m, 2h30m or 7d")
    return timedelta(seconds=sum(int(n) * _UNITS_S[unit] for n, unit in _DURATION.findall(text)))


def format_duration(value: timedelta) -> str:
    """The shortest duration string of a timedelta, to the millisecond: `"2h30m"`."""
    rest_ms = round(value.total_seconds() * 1000)
    parts = []
    for unit, size_ms in (
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ):
        count, rest_ms = divmod(rest_ms, size_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


_IS_DURATION = (f"self.size() > 1 && self.matches('{DURATION_PATTERN}')", DURATION_PROBLEM)


def milliseconds(field: str) -> str:
    """CEL: how many milliseconds the duration in a field has (0 for what is no duration).

    Not by `findAll`: how long its parts may be is unknown to the server's estimate of the cost.
    """
    units = (("d", 86_400_000), ("h", 3_600_000), ("m([^s]|$)", 60_000), ("s", 1000), ("ms", 1))
    parts = [
        f"int('0' + {field}.find('[0-9]+{unit}').find('[0-9]+')) * {size}" for unit, size in units
    ]
    return f"({' + '.join(parts)})"


def lasting(least: str, most: str, *, like: str) -> dict[str, Any]:
    """The schema of a duration with bounds, for `Field(json_schema_extra=…)`."""
    low, high = (round(parse_duration(text).total_seconds() * 1000) for text in (least, most))
    length = milliseconds("self")
    said = f"must be from {least} to {most}, like {like}"
    bounds = f"{length} <= {high}" if not low else f"{length} >= {low} && {length} <= {high}"
    return rules(_IS_DURATION, (f"!({_IS_DURATION[0]}) || ({bounds})", said))


def rules(*pairs: tuple[str, str], **extra: Any) -> dict[str, Any]:
    """CEL rules for a model's schema, as (rule, message that says the mend) pairs."""
    validations = [{"rule": rule, "message": message} for rule, message in pairs]
    return {"x-kubernetes-validations": validations, **extra}


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 40, **rules(_IS_DURATION)}),
]
"""A CEL rule and no pattern: that would tell people a regular expression and no example."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ObjectName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    ),
]
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An RFC 3339 time in UTC; kept as text in status, parsed where it is used."""


WHOLE: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}
"""What one writer writes as a whole: managedFields then name it alone, not each of its fields."""


class ApiModel(BaseModel):
    """Base of everything below `spec` and `status`: frozen, camelCase on the wire.

    Unknown fields are ignored when read (an older operator may meet a newer CRD); the API server
    prunes or refuses them when they are written.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    def wire(self) -> dict[str, Any]:
        """As JSON-ready dict with camelCase keys, without fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LocalRef(ApiModel):
    """A reference to an object of a fixed kind in the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the same namespace.")


class Condition(ApiModel):
    """A condition as every Kubernetes kind has them."""

    type: Annotated[str, StringConstraints(max_length=316)] = Field(
        description="What is said, in CamelCase."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that this was said about."
    )
    last_transition_time: Timestamp = Field(description="When `status` last changed.")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        description="Why, as one CamelCase word that tools may compare; docs/conditions.md"
        " lists them."
    )
    message: Annotated[str, StringConstraints(max_length=32768)] = Field(
        description="Why, for people, and what to do next."
    )


Conditions = Annotated[
    list[Condition],
    Field(
        default_factory=list,
        max_length=16,
        description="The object's conditions, one of each type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
