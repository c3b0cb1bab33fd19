"""How the approval of a Model's latest revision stands, and what is told of it.

Owns reading the annotation, and what stands beside the Model: the installation's ConfigMap and
admission policy, which are read when they are needed and not watched, so that a person who mends
one of them need not restart anything. What follows from them is decided in `domain/approval.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.domain.admission import before_approval
from tidegate.domain.approval import (
    ANNOTATION,
    CONFIGURATION,
    NO_GROUND,
    POLICY,
    TOLD,
    Asked,
    Ground,
    again_in,
    authors_in,
    judge,
    read,
    undecided,
)
from tidegate.domain.gates.results import evidence
from tidegate.domain.revisions import taken_over
from tidegate.errors import Forbidden, NotFound
from tidegate.kube.objects import name_of
from tidegate.kube.resources import (
    CONFIGMAPS,
    VALIDATINGADMISSIONPOLICIES,
    VALIDATINGADMISSIONPOLICYBINDINGS,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.approval import ApprovalStatus
    from tidegate.api.model import Model
    from tidegate.domain.admission import Candidate
    from tidegate.domain.approval import Approved
    from tidegate.domain.conditions import Said
    from tidegate.kube.client import Client
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource


_KNOWN_FOR = timedelta(seconds=30)
"""How long the ground of a Model that nobody has approved may have been read before."""


@dataclass(frozen=True)
class Looked:
    """What a look came to. `approved` is None where the Model asks for no approval, or not yet;
    `said` its condition, `record` what status keeps, `again_s` when time alone changes it."""

    approved: Approved | None = None
    said: Said | None = None
    record: ApprovalStatus | None = None
    again_s: float | None = None


class Approving:
    """Looks at approvals in one installation. `namespace` is the operator's own."""

    def __init__(self, client: Client, recorder: Recorder, *, namespace: str) -> None:
        self._client = client
        self._recorder = recorder
        self._namespace = namespace
        self._known: tuple[datetime, Ground] | None = None

    async def look(
        self, obj: Object, model: Model, candidate: Candidate, record: ApprovalStatus | None
    ) -> Looked:
        """How it stands; a person is asked when everything else has passed."""
        policy, delivery = model.spec.approval, model.status.delivery
        if policy is None:
            return Looked()
        asked = Asked(
            model=name_of(obj),
            revision=candidate.revision,
            digest=candidate.digest,
            gates=evidence(candidate.gates),
            authors=candidate.authors,
            serves=delivery is not None and candidate.revision in taken_over(delivery),
        )
        earlier = before_approval(candidate)
        if not asked.serves and earlier.result != "Admitted":
            return Looked(said=undecided(candidate.revision, earlier.reason), record=record)
        given = read(obj["metadata"].get("annotations", {}).get(ANNOTATION))
        # What could be approved now is held to how things are now.
        at_once = given is not None and given.revision == candidate.revision
        ground = NO_GROUND if asked.serves else await self._ground(candidate.now, at_once=at_once)
        found = judge(asked, policy, given=given, record=record, ground=ground, now=candidate.now)
        return Looked(found, found.said, found.record, again_in(found, candidate.now))

    async def tell(self, obj: Object, said: Said | None) -> None:
        """An Event where an approval was given, or does not count; after that stands in status."""
        conditions = obj.get("status", {}).get("conditions", ())
        before: dict[str, Any] = next((c for c in conditions if c["type"] == "Approved"), {})
        if said is None or said.reason not in TOLD or said.reason == before.get("reason"):
            return
        await self._recorder.emit(
            obj,
            type="Normal" if said.status == "True" else "Warning",
            reason=said.reason,
            note=said.message[:1000],
            action="Approve",
        )

    async def _ground(self, now: datetime, *, at_once: bool) -> Ground:
        """What stands beside all Models: read now, or a moment ago where that is enough."""
        if self._known is not None and not at_once and now < self._known[0] + _KNOWN_FOR:
            return self._known[1]
        configured = await self._get(CONFIGMAPS, CONFIGURATION, namespace=self._namespace)
        data = (configured or {}).get("data") or {}
        ground = Ground(guarded=await self._guarded(), authors=authors_in(data.get("authors")))
        self._known = (now, ground)
        return ground

    async def _guarded(self) -> bool:
        """Whether admission holds every write of a Model against the policy, and denies."""
        policy = await self._get(VALIDATINGADMISSIONPOLICIES, POLICY)
        binding = await self._get(VALIDATINGADMISSIONPOLICYBINDINGS, POLICY)
        if policy is None or binding is None:
            return False
        bound = binding.get("spec") or {}
        return (
            (policy.get("spec") or {}).get("failurePolicy", "Fail") == "Fail"
            and bound.get("policyName") == POLICY
            and "Deny" in (bound.get("validationActions") or ())
            and not bound.get("matchResources")
            and (bound.get("paramRef") or {}).get("parameterNotFoundAction") == "Deny"
        )

    async def _get(
        self, res: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        """An object; None where there is none, or it may not be seen: then nothing is approved."""
        try:
            return await self._client.get(res, name, namespace=namespace)
        except (NotFound, Forbidden):
            return None
