"""The write-back controller: tells a Model's registry which version serves and which was refused.

A controller of its own, so that a registry that is slow or down holds up neither pods nor traffic.
Writes `status.writeBack` and the condition WrittenBack, and nothing that serves. What is due is
decided in `domain/write_back.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.api.base import Condition
from tidegate.api.model import Model
from tidegate.api.origin import Origin
from tidegate.controllers.children import same_status
from tidegate.controllers.statuses import StatusWriter
from tidegate.domain.conditions import merged
from tidegate.domain.write_back import CONDITION, after, due, said
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import CONTROLLERREVISIONS, MODELS
from tidegate.runtime.logs import get_logger
from tidegate.runtime.request import Request, Result
from tidegate.specs.metadata import MODEL_LABEL

if TYPE_CHECKING:
    from tidegate.api.write_back import WriteBackStatus
    from tidegate.artifacts.credentials import Credentials
    from tidegate.controllers.credentials import Secrets
    from tidegate.domain.conditions import Said
    from tidegate.domain.write_back import Write
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache

log = get_logger(__name__)

STATUS_MANAGER = "tidegate-write-back"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 300.0


class Registrar(Protocol):
    """A registry that can be told something. Every call may be repeated without harm.

    :raises Terminal: ArtifactForbidden, ArtifactNotFound (the version is gone), RegistryUnknown.
    :raises Retryable: it does not answer.
    """

    async def set_alias(
        self, name: str, *, alias: str, version: str, credentials: Credentials
    ) -> None:
        """Let an alias mean a version."""
        ...

    async def set_tag(
        self, name: str, *, version: str, key: str, value: str, credentials: Credentials
    ) -> None:
        """Give a version a tag."""
        ...

    async def delete_tag(
        self, name: str, *, version: str, key: str, credentials: Credentials
    ) -> None:
        """Take a tag off a version."""
        ...


@dataclass(frozen=True)
class _Trouble:
    """What was in the way of which writes, how often in a row, and until when nobody tries."""

    writes: tuple[Write, ...]
    problem: tuple[str, str]
    failures: int
    until: float


class WriteBackReconciler:
    """Tells the registry of one Model what is due."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        clock: Clock,
        registrar: Registrar,
        secrets: Secrets,
    ) -> None:
        self._secrets = secrets
        self._status = StatusWriter(client, cache, manager=STATUS_MANAGER)
        self._cache = cache
        self._recorder = recorder
        self._clock = clock
        self._registrar = registrar
        self._troubles: dict[Request, _Trouble] = {}

    async def reconcile(self, request: Request) -> Result:
        """One look at one Model. Of a deleted one the registry keeps what it was told last."""
        obj = self._cache.get(MODELS, request.namespace, request.name)
        if obj is None or is_being_deleted(obj):
            self._troubles.pop(request, None)
            return Result.done()
        model = Model.model_validate(obj)
        spec = model.spec.artifact.write_back
        if spec is None:
            await self._report(obj, None, None)
            return Result.done()
        told = model.status.write_back
        origins = self._origins(request)
        writes = due(spec, model.status, origins)
        trouble = self._troubles.get(request)
        if trouble is not None and trouble.writes == tuple(writes):
            rest = trouble.until - self._clock.monotonic()
            if rest > 0:
                return Result.after(rest, "the registry is in the way of a write-back")
        problem: tuple[str, str] | None = None
        for write in writes:
            try:
                await self._tell(model, request.namespace, write)
            except Terminal as error:  # a version that is gone is not in the way of the others
                problem = problem or (error.reason, f"{write.shown}: {error.message}")
                continue
            except Retryable as error:
                problem = (error.reason, f"{write.shown}: {error.message}")
                break
            told = after(told, write, now=self._clock.now())
            # At once, and before the next: what was told is not told again after a crash.
            obj = await self._report(obj, told, said(told, problem=problem))
            log.info("written back", what=write.shown)
            await self._emit(obj, "Normal", "WrittenBack", write.shown)
        obj = await self._report(obj, told, said(told, problem=problem))
        if problem is None:
            self._troubles.pop(request, None)
            return Result.done()
        left = due(spec, model.status.model_copy(update={"write_back": told}), origins)
        return await self._later(obj, request, tuple(left), problem)

    def _origins(self, request: Request) -> dict[str, Origin | None]:
        found = self._cache.list(
            CONTROLLERREVISIONS, request.namespace, labels={MODEL_LABEL: request.name}
        )
        return {name_of(revision): _origin(revision) for revision in found}

    async def _tell(self, model: Model, namespace: str, write: Write) -> None:
        credentials = await self._secrets.of(model.spec.artifact, namespace=namespace)
        match write.verb:
            case "alias":
                await self._registrar.set_alias(
                    write.name, alias=write.key, version=write.version, credentials=credentials
                )
            case "tag":
                await self._registrar.set_tag(
                    write.name, version=write.version, key=write.key, value=write.value,
                    credentials=credentials,
                )  # fmt: skip
            case "untag":
                await self._registrar.delete_tag(
                    write.name, version=write.version, key=write.key, credentials=credentials
                )

    async def _later(
        self, obj: Object, request: Request, writes: tuple[Write, ...], problem: tuple[str, str]
    ) -> Result:
        """Remember what was in the way, and come back: later each time it is still there."""
        before = self._troubles.get(request)
        failures = before.failures + 1 if before is not None else 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))
        pause *= random.uniform(0.8, 1.0)
        until = self._clock.monotonic() + pause
        self._troubles[request] = _Trouble(writes, problem, failures, until)
        if before is None or before.problem != problem:
            await self._emit(obj, "Warning", problem[0], problem[1])
        return Result.after(pause, "the registry is in the way of a write-back")

    async def _emit(self, obj: Object, type_: Any, reason: str, note: str) -> None:
        await self._recorder.emit(obj, type=type_, reason=reason, note=note, action="WriteBack")

    async def _report(
        self, obj: Object, told: WriteBackStatus | None, condition: Said | None
    ) -> Object:
        """Write what there is to say, unless it stands there; the object as it is then."""
        live = obj.get("status", {})
        stand = [Condition.model_validate(entry) for entry in live.get("conditions", ())]
        conditions = [
            entry.wire()
            for entry in merged(
                stand,
                [condition] if condition else [],
                types=(CONDITION,),
                generation=int(obj["metadata"].get("generation", 0)),
                now=self._clock.now(),
            )
        ]
        before = [c for c in live.get("conditions", ()) if c["type"] == CONDITION]
        body = {"writeBack": (told.wire() or None) if told is not None else None}
        if same_status(live, body, {"writeBack"}) and before == conditions:
            return obj
        return await self._status.write(MODELS, obj, {**body, "conditions": conditions})


def _origin(revision: Object) -> Origin | None:
    found = revision["data"].get("origin")
    return Origin.model_validate(found) if found else None
