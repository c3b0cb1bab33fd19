"""Reporting a delivery: the statuses, written before anything is done, and Events for people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.api.base import Condition
from tidegate.api.rollout import Rollout
from tidegate.controllers.backing import REFUSALS
from tidegate.controllers.children import NAME_TAKEN, same_status
from tidegate.controllers.routing import KIND_NOT_SERVED
from tidegate.controllers.statuses import StatusWriter
from tidegate.domain.conditions import Said, find, merged
from tidegate.domain.rollout import set_aside
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of
from tidegate.kube.resources import MODELS, ROLLOUTS
from tidegate.runtime.logs import get_logger

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.kube.client import Client
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache

log = get_logger(__name__)

STATUS_MANAGER = "tidegate-delivery"
MODEL_TYPES = ("Available", "Ready", "Reconciling", "Stalled", "Conflicted", "RolloutMissing")
MODEL_FIELDS = {"observedGeneration", "phase", "delivery", "endpoint"}
ROLLOUT_TYPES = ("Ready", "Reconciling", "Stalled")


class Reporter:
    """Writes the delivery's part of Model.status, and Rollout.status whole."""

    def __init__(self, client: Client, cache: Cache, recorder: Recorder) -> None:
        self._writer = StatusWriter(client, cache, manager=STATUS_MANAGER)
        self._cache = cache
        self._recorder = recorder

    async def write(
        self, gathered: Gathered, decision: Decision, now: datetime, *, refusal: Terminal | None
    ) -> Gathered:
        """The Model's status first: it says what serves, also when the Rollout is gone. Returns
        what was gathered with the Model as it stands now."""
        obj = await self.write_model(gathered, decision, now, refusal=refusal)
        if gathered.rollout is not None and decision.rollout is not None:
            await self._status(ROLLOUTS, gathered.rollout, decision.rollout.wire())
        for other in gathered.others:
            await self._idle_rollout(gathered, other, now)
        return replace(gathered, obj=obj)

    async def write_model(
        self, gathered: Gathered, decision: Decision, now: datetime, *, refusal: Terminal | None
    ) -> Object:
        """The delivery's part of the Model's status; `refusal` is why something of ours cannot be
        written. Returns the Model as it stands then."""
        said = list(decision.model_said)
        if refusal is not None:
            kept = [
                entry for entry in said if entry.type not in ("Ready", "Reconciling", "Stalled")
            ]
            said = [
                *kept,
                Said("Ready", "False", refusal.reason, refusal.message),
                Said("Stalled", "True", refusal.reason, refusal.message),
            ]
        if gathered.conflict is not None:
            said.append(Said("Conflicted", "True", "RouteTaken", gathered.conflict))
        return await self._model(gathered, decision, said, now)

    async def tell(self, gathered: Gathered, decision: Decision) -> None:
        """Events on the Rollout, or on the Model where there is none; a line of log for each."""
        regarding = gathered.rollout or gathered.obj
        for note in decision.notes:
            kind: Any = note.type
            log.info("decided", reason=note.reason, note=note.message)
            await self._recorder.emit(
                regarding, type=kind, reason=note.reason, note=note.message, action="Deliver"
            )

    async def model_missing(self, rollouts: list[Object], now: datetime) -> None:
        """Rollouts whose Model does not exist: Stalled, with what to do."""
        for rollout in rollouts:
            name = rollout["spec"]["modelRef"]["name"]
            message = (
                f"Model {name} does not exist in this namespace; create it, or correct"
                " spec.modelRef.name in a new Rollout"
            )
            await self._stall(rollout, "ModelMissing", message, now)

    # -- one status each -----------------------------------------------------------------------

    async def _model(
        self, gathered: Gathered, decision: Decision, said: list[Said], now: datetime
    ) -> Object:
        obj = gathered.obj
        status: dict[str, Any] = {
            "observedGeneration": int(obj["metadata"].get("generation", 0)),
            "phase": _phase(decision, said),
            "delivery": decision.delivery.wire(),
            "endpoint": _endpoint(gathered, decision),
            "conditions": self._merged(obj, said, MODEL_TYPES, now),
        }
        live = obj.get("status", {})
        before = [c for c in live.get("conditions", ()) if c["type"] in MODEL_TYPES]
        if same_status(live, status, MODEL_FIELDS) and _by_type(before) == _by_type(
            status["conditions"]
        ):
            return obj
        return await self._status(MODELS, obj, status)

    def _merged(
        self, obj: Object, said: list[Said], types: tuple[str, ...], now: datetime
    ) -> list[dict[str, Any]]:
        before = [Condition.model_validate(c) for c in obj.get("status", {}).get("conditions", ())]
        generation = int(obj["metadata"].get("generation", 0))
        conditions = merged(before, said, types=types, generation=generation, now=now)
        return [condition.wire() for condition in conditions]

    async def _idle_rollout(self, gathered: Gathered, rollout: Object, now: datetime) -> None:
        """A Rollout that does not act says why."""
        if gathered.rollout is None:
            message = (
                f"Model {gathered.name} has delivery: Direct, so this Rollout does nothing; set"
                " spec.delivery to Rollout there, or delete this"
            )
            status = set_aside(Rollout.model_validate(rollout).status, now).wire()
            await self._stall(rollout, "DeliveryDirect", message, now, status=status)
            return
        message = (
            f"Rollout {name_of(gathered.rollout)} is older and acts for Model {gathered.name};"
            " delete one of them"
        )
        await self._stall(rollout, "DuplicateRollout", message, now)

    async def _stall(
        self,
        rollout: Object,
        reason: str,
        message: str,
        now: datetime,
        *,
        status: dict[str, Any] | None = None,
    ) -> None:
        said = [
            Said("Ready", "False", reason, message),
            Said("Stalled", "True", reason, message),
        ]
        before = rollout.get("status", {}) if status is None else status
        status = {k: v for k, v in before.items() if k != "conditions"}
        status["observedGeneration"] = int(rollout["metadata"].get("generation", 0))
        status["conditions"] = self._merged(rollout, said, ROLLOUT_TYPES, now)
        await self._status(ROLLOUTS, rollout, status)

    async def _status(self, res: Resource, obj: Object, status: dict[str, Any]) -> Object:
        """Apply a status, unless it stands there already; returns the object as it stands then."""
        clean = {key: value for key, value in status.items() if value is not None}
        if res is ROLLOUTS and clean == obj.get("status", {}):
            return obj
        return await self._writer.write(res, obj, clean)


def standing_refusal(gathered: Gathered) -> Terminal | None:
    """What the Model says already about a name of ours that is taken, or what its cluster does not
    serve or refuses.

    It stands until writing succeeds: a Ready that changed to and fro would wake us for ever.
    """
    ready = find(gathered.model.status.conditions, "Ready")
    if ready is None or ready.reason not in (NAME_TAKEN, KIND_NOT_SERVED, *REFUSALS):
        return None
    return Terminal(ready.reason, ready.message)


def _by_type(conditions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in conditions}


def _phase(decision: Decision, said: list[Said]) -> str:
    """One word for people."""
    if decision.rollout is not None and decision.rollout.phase is not None:
        return decision.rollout.phase
    ready = next((entry for entry in said if entry.type == "Ready"), None)
    return "Unknown" if ready is None else ready.reason


def _endpoint(gathered: Gathered, decision: Decision) -> str | None:
    """Where requests from outside go, or from inside where there is no traffic section."""
    if decision.delivery.stable is None or gathered.conflict is not None:
        return None
    if gathered.backed is not None:
        return gathered.backed.seen.endpoint
    if gathered.provider is None:
        return f"http://{gathered.name}.{gathered.namespace}.svc"
    return gathered.provider.endpoint(gathered.name)
