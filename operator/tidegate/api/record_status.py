"""What a decision record still lacks: rows that stand in the Rollout's status until they are
written.

A row is stored with the very status that it explains, so that no crash can lose one or count one
twice. The rows' form is in docs/records.md.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tidegate.api.base import ApiModel

ROWS_LIMIT = 100
_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class OpenRecord(ApiModel):
    """The decision record of one attempt, as far as it is not written yet."""

    name: str = Field(description="The ConfigMap that it is written to.")
    attempt: int = Field(ge=0, description="The attempt that it is about.")
    seq: int = Field(default=0, ge=0, description="The number of its last row.")
    size: int = Field(default=0, ge=0, description="Bytes of all its rows, written or not.")
    spec: str = Field(default="", description="Hash of the Rollout's spec that it was last told.")
    gap: str = Field(
        default="", description="Why there is no batch at present, as it was last told."
    )
    ended: bool = Field(default=False, description="Whether the attempt is over.")
    rows: list[str] = Field(
        default_factory=list,
        max_length=ROWS_LIMIT,
        description="Rows that are still to be written.",
        json_schema_extra=_ATOMIC,
    )
