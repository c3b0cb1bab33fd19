"""Whether a Model's latest revision may be delivered: what it has to pass, and in which order.

Pure. A Model that declares neither gates nor anything else to pass is not governed: its revisions
are delivered as soon as they are made. Where one is governed, its latest revision has one pod on
trial, without traffic and unknown to the delivery, until it is admitted or refused. What serves, or
is under way, is never stopped by a gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tidegate.domain.conditions import Said
from tidegate.domain.gates.results import told
from tidegate.domain.lineage import lacking
from tidegate.domain.pods import POD_REASONS
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tidegate.api.gate import AdmissionStatus, GateResult
    from tidegate.api.model import ModelSpec
    from tidegate.api.model_status import DeliveryStatus, ModelStatus
    from tidegate.api.origin import Origin
    from tidegate.domain.approval import Approved
    from tidegate.domain.pods import ArmPods

LINEAGE_MISSING = "LineageMissing"
GATES_PENDING = "GatesPending"
GATE_FAILED = "GateFailed"
APPROVAL_PENDING = "ApprovalPending"
TRIAL_STARTING = "TrialStarting"
JUDGED_AGAIN = "JudgedAgain"
KEEP_REFUSED = timedelta(minutes=10)
"""How long the pod of a revision that was refused on trial stays, for a look at it."""


@dataclass(frozen=True)
class Candidate:
    """The latest revision of a governed Model, and all that is known of it.

    `gates` has one result for each gate of the spec, Pending where it was not judged yet;
    `authors` are whom the registry named when it was made, and names now, None for nobody;
    `approved` is what is known of its approval, None where that was not asked for; `before` is
    what was decided at the last look.
    """

    spec: ModelSpec
    revision: str
    digest: str
    gates: Sequence[GateResult]
    pods: ArmPods
    now: datetime
    origin: Origin | None = None
    authors: tuple[str | None, ...] = ()
    approved: Approved | None = None
    before: AdmissionStatus | None = None
    again: str | None = None


@dataclass(frozen=True)
class Admission:
    """What was decided: a result, why in one word, and what to do next."""

    result: Literal["Admitted", "Waiting", "Refused"]
    reason: str
    message: str


ADMITTED = Admission("Admitted", "Admitted", "it has passed all that the Model declares")


def waiting(reason: str, message: str) -> Admission:
    """It clears by itself, or by what somebody does: a gate's answer, an approval."""
    return Admission("Waiting", reason, message)


def refused(reason: str, message: str) -> Admission:
    """It is remembered, and not tried again by itself."""
    return Admission("Refused", reason, message)


def governed(spec: ModelSpec) -> bool:
    """Whether a Model's revisions have anything to pass before they are delivered."""
    return bool(spec.gates) or spec.lineage is not None or spec.approval is not None


def admission(candidate: Candidate) -> Admission:
    """Whether a revision may be delivered: the first stage that it has not passed decides."""
    for stage in (*_WITHOUT_POD, *_WITH_POD):
        found = stage(candidate)
        if found.result != "Admitted":
            return found
    return ADMITTED


def before_approval(candidate: Candidate) -> Admission:
    """What comes before the approval: a person is asked about what has passed everything else."""
    return next(
        (found for stage in _MEASURED if (found := stage(candidate)).result != "Admitted"), ADMITTED
    )


def on_trial(candidate: Candidate) -> bool:
    """Whether it has passed what needs no pod, so that it is to have one."""
    return all(stage(candidate).result == "Admitted" for stage in _WITHOUT_POD)


def keeps_pod(
    candidate: Candidate, decided: AdmissionStatus, delivery: DeliveryStatus | None
) -> bool:
    """Whether a revision that is not live is to have its one pod.

    One that is admitted keeps it until the delivery has taken it over; one that the delivery
    rejected has none; one that was refused keeps it for a while, and gets none any more.
    """
    if any(entry.digest == candidate.digest for entry in (delivery.rejected if delivery else ())):
        return False
    if decided.result == "Refused":
        return candidate.pods.exists and candidate.now < pod_until(decided)
    return decided.result == "Admitted" or on_trial(candidate)


def is_asked_again(before: AdmissionStatus | None, again: str | None) -> bool:
    """Whether somebody asks for another judgement of what was refused: what was said is
    forgotten. `again` is what the annotation says, which is heeded once."""
    return before is not None and before.result == "Refused" and again not in (None, before.again)


def is_leaving(before: AdmissionStatus | None, pods: ArmPods) -> bool:
    """Whether the pod of the last trial still is there, before the next one begins."""
    return before is not None and before.reason == JUDGED_AGAIN and pods.present


def under_way(delivery: DeliveryStatus | None, candidate: Candidate) -> bool:
    """Whether a revision serves, or is being tried by the delivery."""
    return delivery is not None and candidate.revision in _under_way(delivery)


def _under_way(delivery: DeliveryStatus) -> tuple[str | None, ...]:
    return (delivery.stable, delivery.candidate, *delivery.contenders)


def pod_until(decided: AdmissionStatus) -> datetime:
    """Until when the pod of a refused revision stays."""
    return moment(decided.at) + KEEP_REFUSED


def held_back(
    spec: ModelSpec, status: ModelStatus, delivery: DeliveryStatus, *, current: bool
) -> Said | None:
    """Why the delivery may not start the latest revision; None where it may.

    What serves, or is under way, is not asked again. `current` says whether the status is about the
    present generation: what was decided by gates that were edited since admits nothing.
    """
    name = status.latest_revision
    if not governed(spec) or name is None:
        return None
    if name in _under_way(delivery):
        return None
    entry = next((entry for entry in status.revisions if entry.name == name), None)
    decided = entry.admission if entry is not None else None
    if decided is None or not current:
        return Said("Ready", "Unknown", GATES_PENDING, f"{name} is still to be judged")
    if decided.result == "Admitted":
        return None
    certain: Literal["False", "Unknown"] = "False" if decided.result == "Refused" else "Unknown"
    return Said("Ready", certain, decided.reason, f"{name}: {decided.message}")


def to_pass(spec: ModelSpec, revision: str) -> Said | None:
    """Why a revision that is only foreseen would not start at once; None where nothing is
    declared."""
    if not governed(spec):
        return None
    stages = []
    if spec.lineage is not None:
        stages.append(f"its lineage has to be known ({', '.join(spec.lineage.require)})")
    if spec.gates:
        stages.append(f"it has to pass its gates ({', '.join(gate.name for gate in spec.gates)})")
    if spec.approval is not None:
        stages.append(f"a member of {' or '.join(spec.approval.groups)} has to approve it")
    return Said("Ready", "Unknown", GATES_PENDING, f"{revision}: {', then '.join(stages)}")


def gates_passed(gates: Sequence[GateResult]) -> Said:
    """The condition GatesPassed of the latest revision."""
    failed, pending = told(gates, result="Failed"), told(gates, result="Pending")
    if failed:
        return Said("GatesPassed", "False", GATE_FAILED, failed)
    if pending:
        return Said("GatesPassed", "Unknown", GATES_PENDING, pending)
    passed = "; ".join(f"{one.name}: {one.message}" for one in gates)
    return Said("GatesPassed", "True", "GatesPassed", passed)


# -- stages, in their order ----------------------------------------------------------------------


def _traceable(candidate: Candidate) -> Admission:
    """The registry must know of it what `spec.lineage` requires."""
    if candidate.spec.lineage is None:
        return ADMITTED
    missing = lacking(candidate.spec.lineage.require, candidate.origin)
    return refused(LINEAGE_MISSING, missing) if missing else ADMITTED


def _gates_failed(candidate: Candidate) -> Admission:
    """A gate that failed refuses; nothing else is tried then."""
    failed = told(candidate.gates, result="Failed")
    return refused(GATE_FAILED, failed) if failed else ADMITTED


def _loaded(candidate: Candidate) -> Admission:
    """One pod must have loaded it, and warmed up. A backend has none to spare: it gives a revision
    pods when the delivery takes it up, and no traffic before they are ready."""
    if candidate.spec.backend != "Native":
        return ADMITTED
    before, pods = candidate.before, candidate.pods
    if before is not None and before.result == "Refused" and before.reason in POD_REASONS:
        return refused(before.reason, before.message)
    if pods.ready > 0:
        return ADMITTED
    if pods.failure is not None and pods.failure.final:
        return refused(pods.failure.reason, pods.failure.message)
    why = f": {pods.failure.message}" if pods.failure else ""
    return waiting(TRIAL_STARTING, f"its one pod on trial is not ready yet{why}")


def _gates_judged(candidate: Candidate) -> Admission:
    """Every gate must have said something."""
    pending = told(candidate.gates, result="Pending")
    return waiting(GATES_PENDING, pending) if pending else ADMITTED


def _approved(candidate: Candidate) -> Admission:
    """Somebody must have approved it, where the Model asks for that."""
    found = candidate.approved
    if candidate.spec.approval is None or (found is not None and found.holds):
        return ADMITTED
    if found is None:
        return waiting(APPROVAL_PENDING, "whether it is approved is still to be looked at")
    return waiting(found.said.reason, found.why)


_WITHOUT_POD: tuple[Callable[[Candidate], Admission], ...] = (_traceable, _gates_failed)
"""What is known without a pod; the first that is not passed decides."""
_WITH_POD: tuple[Callable[[Candidate], Admission], ...] = (_loaded, _gates_judged, _approved)
_MEASURED = (*_WITHOUT_POD, _loaded, _gates_judged)
