"""What one delivery looks like now, and what it waits for next: from a Rollout and its Model.

Pure: it reads what the operator has said and decides nothing about the delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.domain.rollout.commands import ANNOTATION, read
from tidegate.domain.rollout.plan import stages
from tidegate.domain.times import moment, seconds_between
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tidegate.api.base import Condition
    from tidegate.api.model_status import RevisionStatus
    from tidegate.kube.objects import Object

HISTORY_SHOWN = 5


@dataclass(frozen=True)
class Delivery:
    """A Rollout (None: the Model has none that acts) and the Model that it is about (None: it does
    not exist), as they were read at `now`."""

    name: str
    namespace: str
    model_name: str
    now: datetime
    rollout: Rollout | None = None
    model: Model | None = None
    waiting: str = ""
    """A verb that was sent and not answered yet."""

    @property
    def stable(self) -> str | None:
        """The revision that serves."""
        delivery = self.model.status.delivery if self.model is not None else None
        return delivery.stable if delivery is not None else None

    @property
    def asked(self) -> RevisionStatus | None:
        """The latest revision, while it is not the one that serves."""
        status = self.model.status if self.model is not None else None
        if status is None or status.latest_revision in (None, self.stable):
            return None
        return next((one for one in status.revisions if one.name == status.latest_revision), None)

    @property
    def steps(self) -> int:
        """How many steps the strategy has; 0 without a Rollout."""
        return len(stages(self.rollout.spec.strategy)) if self.rollout is not None else 0

    def condition(self, type_: str) -> Condition | None:
        """A condition of the Rollout, or of the Model where there is no Rollout."""
        said = self.rollout or self.model
        listed = said.status.conditions if said is not None else []
        return next((c for c in listed if c.type == type_), None)

    def document(self) -> dict[str, Any]:
        """As programs read it: the words of the API, without what only the operator needs."""
        found: dict[str, Any] = {
            "namespace": self.namespace,
            "rollout": self.name if self.rollout is not None else None,
            "model": self.model_name,
            "stable": self.stable,
            "waitsFor": waits_for(self),
        }
        ready = self.condition("Ready")
        if ready is not None:
            found["ready"] = ready.wire()
        if self.model is not None:
            found["latestRevision"] = self.model.status.latest_revision
        if self.asked is not None and self.asked.admission is not None:
            found["admission"] = self.asked.admission.wire()
            found["gates"] = [gate.wire() for gate in self.asked.gates]
        if self.rollout is None:
            return found
        said = self.rollout.status.wire()
        shown = ("phase", "phaseSince", "attempt", "arms", "step", "hold", "pauses", "evidence",
                 "contest", "aa", "lastCommand", "windowEndsAt", "history")  # fmt: skip
        found |= {key: said[key] for key in shown if key in said}
        found["evidence"] = [
            {key: value for key, value in entry.items() if key != "state"}
            for entry in said.get("evidence", [])
        ]
        if "contest" in found:
            found["contest"] = {k: v for k, v in found["contest"].items() if k != "state"}
        return found


def delivery_of(
    rollout: Object | None, model: Object | None, *, namespace: str, now: datetime
) -> Delivery:
    """The picture of two objects as the API has them; one of them must be there."""
    parsed = _parsed(Rollout, rollout) if rollout is not None else None
    waiting = ""
    if rollout is not None and parsed is not None:
        command = read(rollout["metadata"].get("annotations", {}).get(ANNOTATION))
        last = parsed.status.last_command
        if command is not None and (last is None or last.id != command.id):
            waiting = f"{command.verb}{f' by {command.by}' if command.by else ''}"
    return Delivery(
        name=name_of(rollout or model or {}),
        namespace=namespace,
        model_name=parsed.spec.model_ref.name if parsed is not None else name_of(model or {}),
        now=now,
        rollout=parsed,
        model=_parsed(Model, model) if model is not None else None,
        waiting=waiting,
    )


def _parsed[T: (Rollout, Model)](kind: type[T], obj: Object) -> T:
    """An object whose status may not have been written yet, or by another release."""
    try:
        return kind.model_validate(
            {"spec": obj["spec"], "status": {"conditions": [], **obj.get("status", {})}}
        )
    except ValidationError as error:
        raise Terminal(
            "StatusUnreadable",
            f"{kind.__name__} {name_of(obj)} says what this tidegate does not know; update it, or"
            f" use kubectl get -o yaml: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}",
        ) from error


def waits_for(delivery: Delivery) -> list[str]:
    """What has to happen before it goes on, in words; empty when all is as the Model asks."""
    found = [f"the operator is to answer {delivery.waiting}"] if delivery.waiting else []
    if delivery.rollout is None:
        ready = delivery.condition("Ready")
        return found if ready is None or ready.status == "True" else [*found, ready.message]
    if delivery.model is None:
        return [*found, f"Model {delivery.model_name} does not exist: create it"]
    return [*found, *_of_phase(delivery, delivery.rollout)]


def _of_phase(delivery: Delivery, rollout: Rollout) -> Iterable[str]:
    status = rollout.status
    match status.phase:
        case None:
            return ["the operator has said nothing about it yet: does it run?"]
        case "Starting":
            return ["all pods of both arms are to be Ready"]
        case "WarmingUp" if status.hold is not None:
            return [status.hold.message or status.hold.reason]
        case "WarmingUp":
            return [_warm(delivery, rollout)]
        case "Progressing":
            return _step(delivery, rollout)
        case "Holding" if status.hold is not None:
            left = max(0.0, (moment(status.hold.deadline) - delivery.now).total_seconds())
            then = rollout.spec.holds.then
            return [status.hold.message or status.hold.reason, f"in {span(left)} at last: {then}"]
        case "Promoting" | "RollingBack" if status.hold is not None:
            return [status.hold.message]
        case "Promoting":
            return [
                "the gateway is to route everything to the candidate, and stable to fall silent"
            ]
        case "RollingBack":
            return ["the gateway is to route everything to stable"]
        case "Healthy" if _is_ready(delivery):
            return []
    ready = delivery.condition("Ready")
    return [ready.message] if ready is not None else []


def _is_ready(delivery: Delivery) -> bool:
    ready = delivery.condition("Ready")
    return ready is not None and ready.status == "True"


def _warm(delivery: Delivery, rollout: Rollout) -> str:
    attempt, warmup = rollout.status.attempt, rollout.spec.analysis.warmup.total_seconds()
    if attempt is None or attempt.warm_since is None:
        return f"all pods of both arms are to be Ready for {span(warmup)}"
    left = max(0.0, warmup - seconds_between(attempt.warm_since, delivery.now))
    return f"warm-up: {span(left)} of {span(warmup)} left"


def _step(delivery: Delivery, rollout: Rollout) -> Iterable[str]:
    """What the step that is under way lacks; in the last one also what the evidence lacks."""
    step, plan = rollout.status.step, stages(rollout.spec.strategy)
    if step is None or step.index >= len(plan):
        return
    now = plan[step.index]
    if step.started_at is None:
        yield f"the gateway is to confirm {now.words}"
    seconds = now.duration.total_seconds()
    if not step.skipped and step.observed_duration < seconds:
        yield f"{span(seconds - step.observed_duration)} more at {now.words}"
    if not step.skipped and step.requests < now.min_requests:
        yield f"{now.min_requests - step.requests:.0f} more requests in this step"
    adaptive = rollout.spec.strategy.adaptive
    if adaptive is not None and step.soaked < adaptive.soak.total_seconds():
        soak = adaptive.soak.total_seconds() - step.soaked
        yield f"{span(soak)} more at weight {adaptive.max_weight}"
    if now.verb == "trial" and rollout.status.aa is not None:
        yield f"the end of trial {rollout.status.aa.done + 1}"
    elif now.verb == "contest":
        yield "one arm is to be shown to fail less than each of the others"
    elif now.endless:
        yield "nothing: copies go to it for as long as the Rollout declares it"
    elif step.index + 1 == len(plan) and now.verb in ("weight", "adaptive"):
        yield from _evidence(rollout)
    if step.next_evaluation_at is not None:
        left = (moment(step.next_evaluation_at) - delivery.now).total_seconds()
        yield f"the next look at the metrics, {f'in {span(left)}' if left > 0 else 'now'}"


def _evidence(rollout: Rollout) -> Iterable[str]:
    status, analysis = rollout.status, rollout.spec.analysis
    short = [
        f"{entry.metric} ({int(max(0.0, entry.promote))} % of what is needed)"
        for entry in status.evidence
        if entry.promote is not None and entry.promote < 100
    ]
    if short or not status.evidence:
        yield f"evidence to promote: {', '.join(short) or 'none has been counted yet'}"
    seen = max((entry.candidate.n for entry in status.evidence), default=0.0)
    if seen < analysis.min_requests:
        yield f"{analysis.min_requests - seen:.0f} more requests of the candidate"
    limit = rollout.spec.deadline.total_seconds()
    if status.attempt is not None:
        limit = status.attempt.deadline_s or limit
        left = max(0.0, limit - status.attempt.evaluating_s)
        yield f"a verdict within {span(left)} of evaluating, else {rollout.spec.on_inconclusive}"


def span(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min`, `2.5 h`, `4 d`."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            text = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{text} {unit}"
    return f"{seconds:.0f} s"
