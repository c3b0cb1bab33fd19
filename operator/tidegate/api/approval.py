"""The part of a Model that says who must approve a version, and what status says of an approval.

Who may write an approval at all is decided by admission (`manifests/policies`), not here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Duration, Sha256, Timestamp, parse_duration, rules

GroupName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Approval(ApiModel):
    """Who must approve a version before it gets any traffic."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.groups.all(g, !g.startsWith('system:'))",
                (
                    "groups of Kubernetes itself (system:…) hold everybody or every service"
                    " account: name the groups that your identity provider gives people"
                ),
            ),
            (
                "self.expires.matches('[1-9]')",
                "expires must be longer than 0: an approval that is over at once approves nothing",
            ),
        )
    )

    groups: list[GroupName] = Field(
        min_length=1, max_length=10,
        description="A member of one of these groups must approve, and must not be the author of"
        " the version. Groups are those of the API server's users.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    expires: Duration = Field(
        default=parse_duration("72h"),
        description="How long an approval holds while its version serves no traffic. A version that"
        " came in by then stays; after that, it takes another approval to come in.",
    )


class ApprovalStatus(ApiModel):
    """What is known of the approval of a revision."""

    evidence: Sha256 = Field(
        description="What an approval is bound to: SHA-256 of the revision's digest, the results of"
        " its gates, and the groups that are asked."
    )
    authors: list[Annotated[str, StringConstraints(max_length=256)]] = Field(
        default_factory=list, max_length=2,
        description="The authors of the version, as users of Kubernetes: whoever registered it, and"
        " whoever registered the same bytes anew. Empty while one of them is not known.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    by: str | None = Field(default=None, max_length=256, description="Who approved it.")
    at: Timestamp | None = Field(default=None, description="When that was recorded.")
    expires: Timestamp | None = Field(
        default=None, description="Until when it holds while the revision serves no traffic."
    )
    lapsed: Timestamp | None = Field(
        default=None,
        description="Approvals before this do not count: one ran out, was not guarded, or its"
        " revision served nothing any more and others needed the room.",
    )
