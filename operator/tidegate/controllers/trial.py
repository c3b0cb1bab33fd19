"""What the latest revision of a governed Model has to pass: its gates, on one pod without traffic.

Owns the results that stand in `status.revisions[]` and which revision has a pod on trial. It moves
no traffic and stops nothing that serves; what follows from results is decided in
`domain/admission.py`. Results are kept by revision and gate, so that it may stop at any line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidegate.api.gate import AdmissionStatus
from tidegate.api.origin import Origin
from tidegate.api.signature import Signature
from tidegate.controllers.gating import Asked, Gating
from tidegate.controllers.revisions import digest_of
from tidegate.domain.admission import (
    JUDGED_AGAIN,
    Candidate,
    admission,
    governed,
    is_asked_again,
    is_leaving,
    keeps_pod,
    pod_until,
    under_way,
)
from tidegate.domain.gates.registry_metrics import Compared
from tidegate.domain.pods import NO_PODS, arm_pods
from tidegate.domain.revisions import live_revisions
from tidegate.domain.times import stamp
from tidegate.domain.verification import Serving
from tidegate.kube.objects import (
    controller_of,
    is_being_deleted,
    labels_of,
    name_of,
    owner_reference,
)
from tidegate.kube.resources import CONTROLLERREVISIONS, DEPLOYMENTS, PODS, REPLICASETS
from tidegate.specs.metadata import REVISION_LABEL, Parent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.api.approval import ApprovalStatus
    from tidegate.api.gate import GateResult
    from tidegate.api.model import Model
    from tidegate.api.model_status import DeliveryStatus, RevisionStatus
    from tidegate.controllers.approving import Approving
    from tidegate.domain.admission import Admission
    from tidegate.domain.conditions import Said
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache

AGAIN_ANNOTATION = "tidegate.dev/judge-again"
TEMPLATE_HASH_LABEL = "pod-template-hash"
"""By which Kubernetes tells the ReplicaSets of a Deployment apart, on their pods."""


@dataclass(frozen=True)
class Trial:
    """How the latest revision stands; `pod` says whether it is to have one though it is not live.

    `again_s` is when something of it changes by time alone; `news` whether it was admitted or
    refused in this look. `approval` is what status keeps of that, `approved` its condition; both
    None where the Model asks for no approval.
    """

    revision: str
    gates: tuple[GateResult, ...]
    admission: AdmissionStatus
    pod: bool
    again_s: float | None = None
    news: bool = False
    approval: ApprovalStatus | None = None
    approved: Said | None = None


@dataclass(frozen=True)
class _Known:
    """What is known of a revision: with its results, its approval, and where its pod listens.
    `leaving` says that the pod of its last trial is to go before the next one begins."""

    candidate: Candidate
    results: tuple[GateResult, ...]
    approval: ApprovalStatus | None
    url: str | None
    leaving: bool


class Trials:
    """Looks at latest revisions, and tells what became of them."""

    def __init__(
        self,
        cache: Cache,
        clock: Clock,
        recorder: Recorder,
        gating: Gating,
        approving: Approving,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._recorder = recorder
        self._gating = gating
        self._approving = approving

    async def look(
        self, obj: Object, model: Model, latest: Object | None, *, origin: Origin | None
    ) -> Trial | None:
        """Judge what can be judged now of the latest revision; None where nothing is declared.

        `origin` is what the registry says of it now: the same bytes may have been registered anew,
        with more metrics than when the revision was made. While the artifact cannot be resolved,
        the latest of the last look goes on, with the results that it had.
        """
        await self._gating.sweep(obj, model)
        revision = latest or self._cache.get(
            CONTROLLERREVISIONS, obj["metadata"]["namespace"], model.status.latest_revision or ""
        )
        if revision is None or not governed(model.spec):
            return None
        known = self._known(obj, model, revision, origin)
        delivery, candidate = model.status.delivery, known.candidate
        stable = delivery.stable if delivery else None
        namespace = str(obj["metadata"]["namespace"])
        judged = await self._gating.judge(
            Asked(
                parent=Parent(name_of(obj), namespace, owner_reference(obj)),
                candidate=candidate,
                before=known.results,
                stable=self._compared(namespace, stable),
                is_stable=stable == candidate.revision,
                resolved=latest is not None,
                url=known.url,
            )
        )
        candidate = replace(candidate, gates=judged.results)
        looked = await self._approving.look(obj, model, candidate, known.approval)
        candidate = replace(candidate, approved=looked.approved)
        waits = [wait for wait in (judged.again_s, looked.again_s) if wait is not None]
        trial = self._decided(candidate, delivery, min(waits, default=None))
        trial = replace(trial, approval=looked.record, approved=looked.said)
        return _left(trial) if known.leaving and trial.pod else trial

    def _known(self, obj: Object, model: Model, latest: Object, origin: Origin | None) -> _Known:
        """What is known of the latest revision before this look. Where somebody asks for another
        judgement of what was refused, nothing is known of it."""
        namespace, name = obj["metadata"]["namespace"], name_of(latest)
        entry = next((one for one in model.status.revisions if one.name == name), None)
        listed = self._cache.list(PODS, namespace, labels={REVISION_LABEL: name})
        deployment = self._cache.get(DEPLOYMENTS, namespace, name)
        pods = arm_pods(deployment, listed)
        before, again = entry.admission if entry else None, _asked_again(obj)
        anew = is_asked_again(before, again)
        if anew:
            self._gating.forget(namespace, name)
        leaving = pods.present if anew else is_leaving(before, pods)
        return _Known(
            candidate=Candidate(
                spec=model.spec,
                revision=name,
                digest=digest_of(latest),
                gates=(),
                pods=NO_PODS if leaving else pods,
                now=self._clock.now(),
                origin=origin or _origin(latest),
                authors=_authors(origin, _origin(latest)),
                before=None if anew else before,
                again=again,
            ),
            results=tuple(entry.gates) if entry is not None and not anew else (),
            approval=entry.approval if entry is not None else None,
            url=None if leaving else pod_url(latest, deployment, listed),
            leaving=leaving,
        )

    def _decided(
        self, candidate: Candidate, delivery: DeliveryStatus | None, again_s: float | None
    ) -> Trial:
        """What follows from the results. What was admitted and is under way stays admitted, though
        its pods may come and go."""
        decided, before = self._since(admission(candidate), candidate), candidate.before
        if before is not None and before.result == "Admitted" and under_way(delivery, candidate):
            decided = before
        live = candidate.revision in live_revisions(delivery)
        pod = not live and keeps_pod(candidate, decided, delivery)
        if pod and decided.result == "Refused":
            until_s = max(0.0, (pod_until(decided) - candidate.now).total_seconds())
            again_s = until_s if again_s is None else min(again_s, until_s)
        known = before is not None and before.result == decided.result
        news = decided.result != "Waiting" and not known
        return Trial(candidate.revision, tuple(candidate.gates), decided, pod, again_s, news)

    async def tell(self, obj: Object, trial: Trial) -> None:
        """Events where it was approved, admitted or refused; after that stands in status."""
        await self._approving.tell(obj, trial.approved)
        if not trial.news:
            return
        refused = trial.admission.result == "Refused"
        await self._recorder.emit(
            obj,
            type="Warning" if refused else "Normal",
            reason="RevisionRefused" if refused else "RevisionAdmitted",
            note=f"{trial.revision}: {trial.admission.message}"[:1000],
            action="Admit",
        )

    def _compared(self, namespace: str, stable: str | None) -> Compared | None:
        if stable is None:
            return None
        found = self._cache.get(CONTROLLERREVISIONS, namespace, stable)
        return Compared(stable, _origin(found) if found is not None else None)

    def _since(self, found: Admission, candidate: Candidate) -> AdmissionStatus:
        """The status entry; the time stays while the result does."""
        before = candidate.before
        same = before is not None and before.result == found.result
        return AdmissionStatus(
            result=found.result,
            reason=found.reason,
            message=found.message[:1024],
            at=before.at if same and before else stamp(candidate.now),
            again=candidate.again,
        )


def _asked_again(obj: Object) -> str | None:
    """The value of the annotation that has a refused revision judged anew; None without."""
    return obj["metadata"].get("annotations", {}).get(AGAIN_ANNOTATION, "")[:64] or None


def _left(trial: Trial) -> Trial:
    """A trial that begins anew once the pod of the last one is gone: it would tell the same."""
    said = {"reason": JUDGED_AGAIN, "message": "it is judged anew once its last pod is gone"}
    return replace(trial, pod=False, admission=trial.admission.model_copy(update=said))


def passed(trial: Trial | None, name: str, before: RevisionStatus | None) -> dict[str, Any]:
    """What a revision has passed, as fields of its entry: as the trial found it, or as it stood."""
    if trial is not None and trial.revision == name:
        found = {"gates": list(trial.gates), "admission": trial.admission}
        return {**found, "approval": trial.approval}
    if before is None:
        return {}
    return {"gates": before.gates, "admission": before.admission, "approval": before.approval}


def serving(revision: Object) -> Serving:
    """What is known of the revision that serves, to hold a new version against."""
    declared = revision["data"]["identity"].get("signature")
    return Serving(
        name_of(revision),
        Signature.model_validate(declared) if declared else None,
        _origin(revision),
    )


def _origin(revision: Object) -> Origin | None:
    """What the registry knew of a revision's version."""
    found = revision["data"].get("origin")
    return Origin.model_validate(found) if found else None


def _authors(*origins: Origin | None) -> tuple[str | None, ...]:
    """Who registered it, by every origin that is known: none of them is somebody else."""
    names = [origin.author for origin in origins if origin is not None]
    return tuple(dict.fromkeys(names)) or (None,)


def pod_url(revision: Object, deployment: Object | None, pods: Iterable[Object]) -> str | None:
    """Where a ready pod of a revision's Deployment listens; None without one, and where a backend
    runs it. A pod that carries the revision's label and is somebody else's is not asked."""
    if "podTemplate" not in revision["data"] or deployment is None:
        return None
    for pod in pods:
        if not _is_of(pod, deployment):
            continue
        status = pod.get("status", {})
        ready = any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in status.get("conditions", ())
        )
        if ready and status.get("podIP") and not is_being_deleted(pod):
            address = status["podIP"]
            host = f"[{address}]" if ":" in address else address
            return f"http://{host}:{_http_port(revision)}"
    return None


def _is_of(pod: Object, deployment: Object) -> bool:
    """Whether a pod is run by a Deployment: its ReplicaSet bears the names of both, and so need not
    be watched."""
    owner, of = controller_of(pod), labels_of(pod).get(TEMPLATE_HASH_LABEL)
    return (
        owner is not None
        and of is not None
        and owner.get("kind") == "ReplicaSet"
        and owner.get("apiVersion") == REPLICASETS.api_version
        and owner.get("name") == f"{name_of(deployment)}-{of}"
    )


def _http_port(revision: Object) -> int:
    """The port that the frozen template calls `http`."""
    containers = revision["data"]["podTemplate"]["spec"]["containers"]
    ports = [port for container in containers for port in container.get("ports", ())]
    return next(int(port["containerPort"]) for port in ports if port.get("name") == "http")
