"""How a Model's revisions stand: which have pods, each one's phase, whether the latest is verified.

Pure: from what the delivery says and what the pods show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.domain import verification
from tidegate.domain.admission import TRIAL_STARTING
from tidegate.domain.conditions import Said
from tidegate.domain.pods import POD_REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.gate import AdmissionStatus
    from tidegate.api.model_status import DeliveryStatus, RevisionPhase, RevisionStatus
    from tidegate.domain.pods import ArmPods

UNVERIFIED = (
    frozenset({"ArtifactNotFound", "DigestMismatch", "LoadFailed", "TooLarge", "TooManyFiles"})
    | {"ArchiveInvalid", "ArtifactInvalid", "FilesMissing", "UnsafePath"}
    | {"FormatUnsafe", "FormatUnsupported"}
    | verification.REASONS
    | {"SigningInvalid", "SigningKeyInvalid", "SigningMissing", "SigningUnsupported"}
)
"""What is wrong with an artifact itself, whoever found it out."""


def live_revisions(delivery: DeliveryStatus | None) -> set[str]:
    """The revisions that have pods: stable, previous, candidate, contenders, and those that
    drain."""
    if delivery is None:
        return set()
    return taken_over(delivery) | {entry.revision for entry in delivery.draining}


def taken_over(delivery: DeliveryStatus) -> set[str]:
    """The revisions that the delivery has taken over, and may give traffic without asking again."""
    named = {delivery.stable, delivery.previous, delivery.candidate, *delivery.contenders}
    return {name for name in named if name}


def phase_of(
    delivery: DeliveryStatus | None, *, name: str, digest: str, pods: ArmPods, latest: str | None
) -> tuple[RevisionPhase, str | None, str | None]:
    """Phase, reason and message of a revision."""
    for rejection in delivery.rejected if delivery else ():
        if rejection.digest == digest:
            return "Failed", rejection.reason, rejection.message or None
    if name in live_revisions(delivery):
        if pods.ready > 0:
            return "Ready", None, None
        if pods.failure is not None:
            return "Starting", pods.failure.reason, pods.failure.message
        return "Starting", None, None
    return ("Pending" if name == latest else "Retired"), None, None


def trial_phase(decided: AdmissionStatus) -> tuple[RevisionPhase, str, str]:
    """Phase, reason and message of a latest revision that is not live and has something to pass."""
    phase: RevisionPhase = "Failed" if decided.result == "Refused" else "Trial"
    return phase, decided.reason, decided.message


def verified(
    problem: Said | None, *, name: str | None, revisions: Sequence[RevisionStatus]
) -> Said:
    """The condition Verified: whether the latest revision's artifact is what it must be, and loads.

    `problem` is why it could not be resolved, if so.
    """
    if problem is not None and problem.reason in UNVERIFIED:
        return replace(problem, type="Verified", status="False")
    entry = next((entry for entry in revisions if entry.name == name), None)
    if entry is not None and entry.phase == "Trial" and entry.reason == TRIAL_STARTING:
        return Said("Verified", "Unknown", "NotLoaded", entry.message or "")
    if entry is None or entry.phase in ("Pending", "Starting"):
        if entry is not None and entry.reason in UNVERIFIED:
            return Said("Verified", "False", entry.reason or "", entry.message or "")
        return Said("Verified", "Unknown", "NotLoaded", "no pod has loaded it yet")
    if entry.phase == "Failed" and entry.reason in UNVERIFIED:
        return Said("Verified", "False", entry.reason or "", entry.message or "")
    if entry.phase == "Failed" and entry.admission and entry.admission.result == "Refused":
        return Said("Verified", "Unknown", "NotLoaded", "it was refused; nothing of it serves")
    if entry.phase == "Failed" and entry.reason in POD_REASONS:
        return Said("Verified", "Unknown", entry.reason or "", entry.message or "")
    if entry.phase == "Failed":
        return Said("Verified", "True", "Loaded", "it was loaded, and rejected for another reason")
    return Said("Verified", "True", "Loaded", "digest and signature fit; it is loaded")
