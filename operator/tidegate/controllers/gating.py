"""The results of a Model's gates about one revision: kept ones, and those that can be had now.

Owns when a gate is judged, and that a result is had once: it is kept by revision and gate. How each
is judged stands in `domain/gates/`; what follows from results in `domain/admission.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.api.gate import GateResult
from tidegate.controllers.gate_job import GateJobs
from tidegate.controllers.golden import GoldenReplay, source_of
from tidegate.domain.gates import data_schema, registry_metrics
from tidegate.domain.gates.results import gate_hash, recorded
from tidegate.domain.times import stamp
from tidegate.errors import Retryable, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.gate import Gate
    from tidegate.api.model import Model
    from tidegate.domain.admission import Candidate
    from tidegate.domain.gates.registry_metrics import Compared
    from tidegate.inference.pods import Inference
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

RETRY_S = 15.0
"""Until a gate is tried again that could not be judged."""
LOOK_S = 60.0
"""Until it is seen that the requests of a gate that failed were corrected."""
_FRESH_LIMIT = 1000
_MESSAGES_CHARS = 6000
"""What the messages of all gates of a revision may take together in status."""


@dataclass(frozen=True)
class Asked:
    """What is to be judged: a revision, with the results that it has.

    `stable` is what it is compared with, None while nothing serves; `is_stable` says that it is
    stable itself. `resolved` says whether what the registry says of it was read now. `url` is where
    its pod listens, None while none is ready.
    """

    parent: Parent
    candidate: Candidate
    before: Sequence[GateResult]
    stable: Compared | None
    is_stable: bool
    resolved: bool
    url: str | None


@dataclass(frozen=True)
class Judged:
    """One result for each gate, in their order; and in how many seconds to look again."""

    results: tuple[GateResult, ...]
    again_s: float | None = None


@dataclass
class Gating:
    """Judges gates."""

    client: Client
    cache: Cache
    inference: Inference
    _fresh: dict[tuple[str, str, str], GateResult] = field(default_factory=dict)
    """Results by namespace, revision and gate that may not stand in status yet: what took a while
    is not done twice because a write came into another's way."""

    async def judge(self, asked: Asked) -> Judged:
        """All that can be judged now. Once a gate has failed, no other is tried on the pod."""
        found: dict[str, GateResult] = {}
        waits: list[float] = []
        gates = asked.candidate.spec.gates
        for gate in sorted(gates, key=lambda gate: gate.needs_pod):  # those without a pod first
            old = recorded(asked.before, gate)
            if asked.is_stable:
                result = old or _skipped(gate)
            elif not gate.needs_pod:
                result = self._at_once(asked, gate, old)
            else:
                failed = any(one.result == "Failed" for one in found.values())
                result, again_s = await self._on_pod(asked, gate, old, failed=failed)
                waits += [again_s] if again_s is not None else []
            found[gate.name] = result
        return Judged(tuple(found[gate.name] for gate in gates), min(waits, default=None))

    def forget(self, namespace: str, revision: str) -> None:
        """Judge everything of a revision anew."""
        for key in [key for key in self._fresh if key[:2] == (namespace, revision)]:
            del self._fresh[key]

    async def sweep(self, obj: Object, model: Model) -> None:
        """Take away what was made to judge, and is not needed any more."""
        name = model.status.latest_revision
        entry = next((one for one in model.status.revisions if one.name == name), None)
        await GateJobs(self.client, self.cache).sweep(obj, model.spec.gates, entry)

    def _at_once(self, asked: Asked, gate: Gate, old: GateResult | None) -> GateResult:
        """The result of a gate that needs no pod; the time stays while nothing else changes."""
        if old is not None and not asked.resolved:
            return old
        origin = asked.candidate.origin
        if gate.data_schema is not None:
            found = data_schema.judge(gate, origin)
        else:
            found = registry_metrics.judge(gate, origin, asked.stable)
        found = _short(found, asked)
        if old is not None and old.model_copy(update={"at": None}) == found:
            return old
        return found.model_copy(update={"at": stamp(asked.candidate.now)})

    async def _on_pod(
        self, asked: Asked, gate: Gate, old: GateResult | None, *, failed: bool
    ) -> tuple[GateResult, float | None]:
        """The result of a gate that needs the pod, and when to look again."""
        key = (asked.parent.namespace, asked.candidate.revision, gate_hash(gate))
        old = old or self._fresh.get(key)
        replay = GoldenReplay(self.client, self.inference)
        if old is not None and not await _corrected(replay, asked, gate, old):
            return old, _look_again(gate, old)
        if failed:
            return _pending(gate, "NotJudged", "another gate failed first"), None
        if asked.url is None:
            return _pending(gate, "PodNotReady", "it is judged once its pod is ready"), None
        try:
            if gate.job is not None:
                found = await GateJobs(self.client, self.cache).judge(
                    gate, asked.parent, revision=asked.candidate.revision, url=asked.url
                )
            else:
                infer = f"{asked.url}/v2/models/{asked.parent.name}/infer"
                found = await replay.judge(gate, asked.parent.namespace, infer)
        except (Terminal, Retryable) as error:
            return _pending(gate, error.reason, error.message), RETRY_S
        found = _short(found, asked).model_copy(update={"at": stamp(asked.candidate.now)})
        self._remember(key, found)
        return found, _look_again(gate, found)

    def _remember(self, key: tuple[str, str, str], found: GateResult) -> None:
        while len(self._fresh) >= _FRESH_LIMIT:
            self._fresh.pop(next(iter(self._fresh)))
        self._fresh[key] = found


async def _corrected(replay: GoldenReplay, asked: Asked, gate: Gate, old: GateResult) -> bool:
    """Whether the requests of a gate that failed are others now."""
    if old.result != "Failed" or gate.requests is None:
        return False
    try:
        entries = await replay.content(gate, asked.parent.namespace)
    except Terminal:
        return False
    return old.source != source_of(gate.requests.config_map_ref.name, entries)


def _short(found: GateResult, asked: Asked) -> GateResult:
    """The result with a message that leaves room for those of the other gates."""
    room = _MESSAGES_CHARS // max(6, len(asked.candidate.spec.gates))
    if len(found.message) <= room:
        return found
    return found.model_copy(update={"message": f"{found.message[: room - 1]}…"})


def _look_again(gate: Gate, found: GateResult) -> float | None:
    """When to see whether the requests of a gate that failed were corrected."""
    return LOOK_S if found.result == "Failed" and gate.requests is not None else None


def _pending(gate: Gate, reason: str, message: str) -> GateResult:
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Pending",
        reason=reason,
        message=message[:300],
    )


def _skipped(gate: Gate) -> GateResult:
    """Of a revision that was stable before the gate was declared."""
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Skipped",
        reason="AlreadyStable",
        message="it was stable before this gate was declared; the next revision has to pass it",
    )
