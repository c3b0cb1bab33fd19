"""The training controller: makes trainings when they are due or asked for, and follows them.

Writes `status.training` and the condition Trained of a Model, and nothing that serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.api.model import Model
from tidegate.api.training import TrainingStatus
from tidegate.controllers.children import same_status
from tidegate.controllers.statuses import StatusWriter
from tidegate.domain.conditions import merged
from tidegate.domain.retrain import ANNOTATION, read_command
from tidegate.domain.training import (
    CONDITION,
    Made,
    TrainingDecision,
    TrainingFacts,
    Try,
    active_run,
    begun,
    decide_training,
    refused,
    trained,
    training_id,
)
from tidegate.errors import Terminal
from tidegate.kube.objects import (
    is_being_deleted,
    name_of,
    owner_reference,
)
from tidegate.kube.resources import CONTROLLERREVISIONS, MODELS
from tidegate.runtime.logs import get_logger
from tidegate.runtime.request import Request, Result
from tidegate.specs.metadata import MODEL_LABEL, Parent
from tidegate.trainers.base import Wanted

if TYPE_CHECKING:
    from tidegate.api.training import TrainingRun
    from tidegate.domain.conditions import Said
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.trainers.registry import Trainers

log = get_logger(__name__)

STATUS_MANAGER = "tidegate-training"


class TrainingReconciler:
    """Brings one Model's trainings to where they are to be."""

    def __init__(
        self, client: Client, cache: Cache, recorder: Recorder, clock: Clock, trainers: Trainers
    ) -> None:
        self._status = StatusWriter(client, cache, manager=STATUS_MANAGER)
        self._cache = cache
        self._recorder = recorder
        self._clock = clock
        self._trainers = trainers

    async def reconcile(self, request: Request) -> Result:
        """One look at one Model's trainings. The Jobs of a deleted one go by their owner."""
        obj = self._cache.get(MODELS, request.namespace, request.name)
        if obj is None or is_being_deleted(obj):
            return Result.done()
        model = Model.model_validate(obj)
        status = model.status.training or TrainingStatus()
        if model.spec.training is None and not status.runs and ANNOTATION not in _annotations(obj):
            return Result.done()
        decision = decide_training(await self._facts(obj, model, status), self._clock.now())
        # Before status goes on to the next try: after a crash between the two nobody would end it.
        if decision.stop is not None and (wanted := self._wanted(obj, model, decision.stop)):
            await self._trainers.of(wanted.of).stop(wanted)
        await self._write(obj, model, decision.status, decision.said)
        for note in decision.notes:
            log.info("training", reason=note.reason, note=note.message)
            await self._recorder.emit(
                obj, type=note.type, reason=note.reason, note=note.message, action="Train"
            )
        await self._act(obj, model, decision)
        waits = [decision.after.total_seconds()] if decision.after else []
        if active_run(decision.status) is not None and model.spec.training is not None:
            poll = self._trainers.of(model.spec.training.job_from).poll
            waits += [poll.total_seconds()] if poll else []
        if not waits:
            return Result.done()
        return Result.after(min(waits), "a training")

    async def _facts(self, obj: Object, model: Model, status: TrainingStatus) -> TrainingFacts:
        run = active_run(status)
        present = None
        if run is not None:
            wanted = self._wanted(obj, model, run)
            # What a training was made of is gone with spec.training: so is the training.
            present = Try("Absent") if wanted is None else await self._look(wanted)
        namespace, name = str(obj["metadata"]["namespace"]), name_of(obj)
        revisions = self._cache.list(CONTROLLERREVISIONS, namespace, labels={MODEL_LABEL: name})
        return TrainingFacts(
            key=f"{namespace}/{name}",
            spec=model.spec.training,
            status=status,
            present=present,
            command=read_command(_annotations(obj).get(ANNOTATION)),
            made=tuple(_made(revision) for revision in revisions),
        )

    async def _look(self, wanted: Wanted) -> Try:
        try:
            return await self._trainers.of(wanted.of).look(wanted)
        except Terminal as error:
            return Try("Failed", error.message)

    async def _act(self, obj: Object, model: Model, decision: TrainingDecision) -> None:
        """Begin what was written."""
        if decision.start is None or (wanted := self._wanted(obj, model, decision.start)) is None:
            return
        try:
            run_id = await self._trainers.of(wanted.of).start(wanted)
        except Terminal as error:
            said = refused(decision.status, error.reason, error.message, self._clock.now())
            await self._write(obj, model, said, trained(said))
            await self._recorder.emit(
                obj, type="Warning", reason=error.reason, note=error.message, action="Train"
            )
            return
        if run_id is not None and run_id != decision.start.run_id:
            said = begun(decision.status, run_id)
            await self._write(obj, model, said, trained(said))

    def _wanted(self, obj: Object, model: Model, run: TrainingRun) -> Wanted | None:
        if model.spec.training is None:
            return None
        namespace, name = str(obj["metadata"]["namespace"]), name_of(obj)
        return Wanted(
            Parent(name, namespace, owner_reference(obj)),
            model.spec.training.job_from,
            run,
            training_id(f"{namespace}/{name}", run),
        )

    async def _write(
        self, obj: Object, model: Model, status: TrainingStatus, said: Said | None
    ) -> None:
        """Write what there is to say, unless it stands there."""
        namespace, name = str(obj["metadata"]["namespace"]), name_of(obj)
        live = self._cache.get(MODELS, namespace, name) or obj
        conditions = [
            condition.wire()
            for condition in merged(
                model.status.conditions,
                [said] if said else [],
                types=(CONDITION,),
                generation=int(obj["metadata"].get("generation", 0)),
                now=self._clock.now(),
            )
        ]
        found = live.get("status", {})
        before = [c for c in found.get("conditions", ()) if c["type"] == CONDITION]
        body: dict[str, Any] = {"training": status.wire() or None}
        if same_status(found, body, {"training"}) and before == conditions:
            return
        await self._status.write(MODELS, live, {**body, "conditions": conditions})


def _annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def _made(revision: Object) -> Made:
    data = revision["data"]
    origin = data.get("origin") or {}
    version = origin.get("version") or data.get("artifact", {}).get("version", "")
    return Made(name_of(revision), str(version), dict(origin.get("tags") or {}))
