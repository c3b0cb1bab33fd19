"""Whether a revision is approved: by whom, of what, until when.

Pure. An approval is bound to the evidence that was shown: the revision's digest, the results of its
gates and the groups that are asked. That the annotation was written by the person it names, and
that this person is in one of the groups, is admission's to see to (`manifests/policies`); that
admission does so is a fact that is given here (`guarded`), and without it nothing is approved.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.api.approval import Approval, ApprovalStatus
from tidegate.domain.conditions import Said
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

ANNOTATION = "tidegate.dev/approve"
POLICY = "tidegate-models"
"""Name of the ValidatingAdmissionPolicy that guards approvals, and of its binding."""
CONFIGURATION = "tidegate-approvals"
"""Name of the ConfigMap, in the operator's namespace, with `authors` and `serviceAccounts`."""

TOLD = (
    "Approved", "ApprovalInvalid", "ApprovalVoid", "ApprovalExpired", "ApproverIsAuthor",
    "ApprovalUnguarded", "AuthorUnknown",
)  # fmt: skip
"""Reasons of the condition Approved that are worth an Event."""
_LOOK_AGAIN = ("ApprovalUnguarded", "AuthorUnknown")
"""Reasons that are mended elsewhere, so that nothing of the Model tells when."""
_LOOK_AGAIN_S = 60.0
_UNGUARDED = (
    "no admission policy guards approvals, so anybody could write one: apply manifests/policies"
    f" (the operator looks at ValidatingAdmissionPolicy {POLICY} and its binding), then approve it"
)
_FIELDS = ("revision", "evidence", "by")
_BY_LIMIT = 256


@dataclass(frozen=True)
class Given:
    """An approval as somebody wrote it; `problem` says why it cannot be understood."""

    revision: str = ""
    evidence: str = ""
    by: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Asked:
    """What is to be approved. `gates` is the evidence of its gates (`gates.results.evidence`);
    `authors` are whom the registry names (when the revision was made, and now), None where it names
    nobody. `serves`: it has traffic already, or is on its way in, so that nothing is asked about it
    any more."""

    model: str
    revision: str
    digest: str
    gates: str
    authors: tuple[str | None, ...]
    serves: bool = False


@dataclass(frozen=True)
class Ground:
    """What is known beside the Model: whether admission guards approvals, and which user of
    Kubernetes each user of the registry is."""

    guarded: bool
    authors: Mapping[str, str]


NO_GROUND = Ground(guarded=False, authors={})
"""Nothing is known: nobody is approved."""


@dataclass(frozen=True)
class Approved:
    """What a look at an approval came to: the condition, what status keeps, `why` in words without
    the revision's name. At `until` it runs out."""

    record: ApprovalStatus
    said: Said
    why: str = ""
    until: datetime | None = None

    @property
    def holds(self) -> bool:
        """Whether the revision may come in."""
        return self.said.status == "True"


def again_in(approved: Approved, now: datetime) -> float | None:
    """Seconds until the approval may change though nobody touches the Model."""
    if approved.until is not None:
        return max(0.0, (approved.until - now).total_seconds())
    return _LOOK_AGAIN_S if approved.said.reason in _LOOK_AGAIN else None


def undecided(revision: str, reason: str) -> Said:
    """The condition while gates have not passed: only then anybody is asked."""
    message = f"whether {revision} is approved is asked when everything else has passed"
    return Said("Approved", "Unknown", reason, message)


def read(text: str | None) -> Given | None:
    """The approval in an annotation; None without one."""
    if not text:
        return None
    try:
        raw: Any = json.loads(text)
    except ValueError:
        raw = None
    form = '{"revision": "…", "evidence": "…", "by": "…"}'
    if not isinstance(raw, dict) or set(raw) != set(_FIELDS):
        return Given(problem=f"the annotation {ANNOTATION} must read {form}")
    if not all(isinstance(raw[name], str) and raw[name] for name in _FIELDS):
        return Given(problem=f"the annotation {ANNOTATION} must hold three texts: {form}")
    return Given(raw["revision"], raw["evidence"], raw["by"][:_BY_LIMIT])


def written(revision: str, evidence: str, by: str) -> str:
    """The annotation's text, in the only form that admission takes."""
    return json.dumps({"revision": revision, "evidence": evidence, "by": by}, ensure_ascii=False)


def evidence_of(asked: Asked, groups: Sequence[str], lapsed: str | None) -> str:
    """What an approval is bound to, as SHA-256. When one ran out, or could have been anybody's, is
    part of it, so that its text does not count once more."""
    document = {
        "digest": asked.digest,
        "gates": asked.gates,
        "groups": sorted(groups),
        **({"lapsed": lapsed} if lapsed else {}),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def authors_in(text: str | None) -> dict[str, str]:
    """The users of a registry and who they are, one `registry user: kubernetes user` a line. Lines
    that say nothing of the kind are left out: an author who is not there approves nothing."""
    found = {}
    for line in (text or "").splitlines():
        name, separator, user = line.rpartition(": ")
        if separator and name.strip() and user.strip() and not line.lstrip().startswith("#"):
            found[name.strip()] = user.strip()
    return found


def judge(
    asked: Asked,
    policy: Approval,
    *,
    given: Given | None,
    record: ApprovalStatus | None,
    ground: Ground,
    now: datetime,
) -> Approved:
    """One look. `record` is what status kept of the look before."""
    lapsed = record.lapsed if record is not None else None
    authors = _authors(asked, ground)
    fresh = ApprovalStatus(
        evidence=evidence_of(asked, policy.groups, lapsed), authors=authors, lapsed=lapsed
    )
    if asked.serves:
        return Approved(record or fresh, _serves(asked, record))
    if record is not None and record.by and record.evidence == fresh.evidence and record.expires:
        until = moment(record.expires)
        if now < until:
            return Approved(record, _approved(asked, record), until=until)
        again = evidence_of(asked, policy.groups, record.expires)
        fresh = ApprovalStatus(evidence=again, authors=authors, lapsed=record.expires)
    if not ground.guarded and given is not None and given.evidence == fresh.evidence:
        # Anybody may have written it, so it must not count once approvals are guarded either.
        since = stamp(now)
        again = evidence_of(asked, policy.groups, since)
        fresh = ApprovalStatus(evidence=again, authors=authors, lapsed=since)
    refusal = _refusal(asked, policy, given, fresh, ground)
    if refusal is not None:
        reason, why = refusal
        message = f"{asked.revision} is not approved: {why}"
        return Approved(fresh, Said("Approved", "False", reason, message), why)
    assert given is not None, "a missing approval is refused"
    until = now + policy.expires
    kept = fresh.model_copy(update={"by": given.by, "at": stamp(now), "expires": stamp(until)})
    return Approved(kept, _approved(asked, kept), until=until)


def _authors(asked: Asked, ground: Ground) -> list[str]:
    """Every author as a user of Kubernetes; empty where one of them is not known."""
    users = [ground.authors.get(name) if name is not None else None for name in asked.authors]
    known = sorted({user for user in users if user is not None})
    return known if None not in users else []


def _refusal(
    asked: Asked, policy: Approval, given: Given | None, fresh: ApprovalStatus, ground: Ground
) -> tuple[str, str] | None:
    """Why the revision is not approved (reason, words), or None: then `given` approves it."""
    if not ground.guarded:
        return "ApprovalUnguarded", _UNGUARDED
    if not fresh.authors:
        return "AuthorUnknown", _author_unknown(asked, ground)
    groups, authors = " or ".join(policy.groups), " or ".join(fresh.authors)
    wanted = (
        f"a member of {groups} other than its author {authors} must approve it: tidegate approve"
        f" model/{asked.model}"
    )
    if given is None:
        ran_out = f"approvals before {fresh.lapsed} count no more; " if fresh.lapsed else ""
        reason = "ApprovalExpired" if fresh.lapsed else "ApprovalPending"
        return reason, f"{ran_out}{wanted}"
    if given.problem:
        return "ApprovalInvalid", f"{given.problem}; {wanted}"
    if given.revision != asked.revision:
        about = f"the approval by {given.by} is about {given.revision}"
        return "ApprovalPending", f"{about}; {wanted}"
    if given.evidence != fresh.evidence:
        if fresh.lapsed:
            text = f"the approval by {given.by} counts no more since {fresh.lapsed}"
            return "ApprovalExpired", f"{text}; {wanted}"
        text = (
            f"the approval by {given.by} is about other evidence: the revision, the results of its"
            " gates, or the groups that are asked have changed since"
        )
        return "ApprovalVoid", f"{text}; {wanted}"
    if given.by in fresh.authors:
        return "ApproverIsAuthor", f"{given.by} registered it, so {wanted}"
    return None


def _author_unknown(asked: Asked, ground: Ground) -> str:
    named = [name for name in asked.authors if name is not None]
    if len(named) < max(1, len(asked.authors)):
        return (
            "nobody knows who made it, so nobody can be shown to be somebody else: take the"
            " artifact from a registry that names the author of a version, or take spec.approval"
            " out of the Model"
        )
    name = next(one for one in named if one not in ground.authors)
    return (
        f"its registry names {name} as the author, and no user of Kubernetes is known for that: add"
        f" the line `{name}: USER` to authors in ConfigMap {CONFIGURATION}"
    )


def _approved(asked: Asked, record: ApprovalStatus) -> Said:
    message = (
        f"{asked.revision} was approved by {record.by} at {record.at}; that holds until"
        f" {record.expires} if it serves no traffic by then (digest {asked.digest[:12]}, evidence"
        f" {record.evidence[:12]})"
    )
    return Said("Approved", "True", "Approved", message)


def _serves(asked: Asked, record: ApprovalStatus | None) -> Said:
    if record is not None and record.by:
        message = (
            f"{asked.revision} was approved by {record.by} at {record.at} and came in (digest"
            f" {asked.digest[:12]}, evidence {record.evidence[:12]})"
        )
        return Said("Approved", "True", "Approved", message)
    message = (
        f"{asked.revision} serves already, so nothing is asked about it; the next version needs an"
        " approval"
    )
    return Said("Approved", "True", "ServesAlready", message)
