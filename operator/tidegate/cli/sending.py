"""Sends a verb to a Rollout by its annotation, and waits for what the engine answers.

Owns that a command is bound to what the person saw, and that nobody's command is overwritten. What
a verb may do is decided by the engine (`domain/rollout/commands.py`), not here.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout_status import RolloutStatus
from tidegate.cli.finding import MANAGER, find_rollout, model_of, who_am_i
from tidegate.domain.rollout.commands import ANNOTATION, read
from tidegate.domain.rollout.transitions import ACTIVE
from tidegate.domain.times import stamp
from tidegate.errors import Conflict, NotFound, ServerUnavailable, Terminal, TooManyRequests
from tidegate.kube.objects import name_of, resource_version_of, uid_of
from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from tidegate.cli.finding import Place
    from tidegate.domain.rollout.facts import Command
    from tidegate.kube.objects import Object

POLL_S = 0.5
NOT_ACTING = ("ModelMissing", "DeliveryDirect", "DuplicateRollout")
"""Reasons of Ready with which nobody obeys a Rollout."""
_TRIES = 5
"""Writes until the Rollout has stood still between a read and a write; the operator writes its
status every few seconds."""


@dataclass(frozen=True)
class Sent:
    """A command as it was stored. `result` is None while nobody has answered."""

    namespace: str
    rollout: str
    model: str
    command: dict[str, Any]
    result: str | None = None
    phase: str | None = None

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return self.result == "Done"

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "namespace": self.namespace,
            "rollout": self.rollout,
            "model": self.model,
            "command": self.command,
            "result": self.result,
            "phase": self.phase,
        }


async def send(where: Place, name: str, verb: str, *, force: bool = False) -> Sent:
    """Store a command on the Rollout that `name` means, bound to what is under way now.

    Raises Terminal with what to do: NothingToDo when the verb has nothing to act on, CommandWaiting
    when another command was not answered yet, AttemptChanged when something else is under way by
    the time that it could be stored, RolloutNotActing when nobody would obey.
    """
    rollout = await find_rollout(where, name)
    by = await who_am_i(where)
    command = _command(where, rollout, verb, by=by, force=force)
    sent = Sent(where.namespace, name_of(rollout), model_of(rollout), command)
    for _ in range(_TRIES):
        waiting = _waiting(rollout)
        if waiting is not None and waiting.id == command["id"]:
            return sent  # it was stored, and only the answer to that was lost
        _check_free(rollout)
        try:
            await _store(where, rollout, command)
        except (Conflict, ServerUnavailable):
            rollout = await _seen_again(where, rollout, verb, command)
            continue
        return sent
    raise Terminal("Conflict", f"{name_of(rollout)} changes all the time; try again")


async def answer(where: Place, sent: Sent, *, timeout: float) -> Sent:
    """Wait until the engine has answered, `timeout` seconds at most; `result` is None after that.

    A server that is away for a moment is asked again: what was stored stays.
    """
    clock = where.client.clock
    end = clock.monotonic() + timeout
    while True:
        try:
            found = await where.client.get(ROLLOUTS, sent.rollout, namespace=sent.namespace)
        except (ServerUnavailable, TooManyRequests):
            found = {}
        except NotFound as error:
            raise Terminal("RolloutDeleted", f"Rollout {sent.rollout} was deleted") from error
        last = status_of(found).last_command
        if last is not None and last.id == sent.command["id"]:
            return replace(sent, result=last.result, phase=phase_of(found))
        if clock.monotonic() >= end:
            return sent
        await clock.sleep(min(POLL_S, max(0.01, end - clock.monotonic())))


_READ = ("attempt", "conditions", "lastCommand", "observedRevision")


def status_of(rollout: Object) -> RolloutStatus:
    """What a verb needs to know of a Rollout's status, without its phase; empty where nothing was
    said yet.

    Only that is read: whatever else a newer operator writes is no reason not to abort.
    """
    said = rollout.get("status", {})
    return RolloutStatus.model_validate(
        {"conditions": [], **{key: said[key] for key in _READ if key in said}}
    )


def phase_of(rollout: Object) -> str:
    """A Rollout's phase, in the operator's word."""
    return str(rollout.get("status", {}).get("phase") or "Pending")


def _command(where: Place, rollout: Object, verb: str, *, by: str, force: bool) -> dict[str, Any]:
    command: dict[str, Any] = {
        "id": uuid.uuid4().hex[:16],
        "verb": verb,
        **_target(rollout, verb),
        "by": by,
        "at": stamp(where.client.clock.now()),
    }
    return {**command, "force": True} if force else command


def _target(rollout: Object, verb: str) -> dict[str, Any]:
    """The attempt and the revision that a verb is about. Raises Terminal when there is nothing."""
    name, status = name_of(rollout), status_of(rollout)
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    if ready is not None and ready.reason in NOT_ACTING:
        raise Terminal("RolloutNotActing", f"nobody obeys Rollout {name}: {ready.message}")
    attempt, phase = status.attempt, phase_of(rollout)
    if verb == "retry":
        target = {"attempt": attempt.number} if attempt is not None else {}
        latest = status.observed_revision
        return {**target, "revision": latest} if latest else dict(target)
    if attempt is None or phase not in ACTIVE:
        last = "" if attempt is None else f" (the last attempt was {attempt.number})"
        raise Terminal(
            "NothingToDo", f"{name} has nothing to {verb}: no attempt is under way{last},"
            f" phase is {phase}",
        )  # fmt: skip
    return {"attempt": attempt.number, "revision": attempt.revision}


def _waiting(rollout: Object) -> Command | None:
    """What stands in the annotation, answered or not."""
    return read(rollout["metadata"].get("annotations", {}).get(ANNOTATION))


def _check_free(rollout: Object) -> None:
    """Raises Terminal(CommandWaiting) when somebody's command was not answered yet."""
    waiting = _waiting(rollout)
    last = status_of(rollout).last_command
    if waiting is None or (last is not None and last.id == waiting.id):
        return
    name, namespace = name_of(rollout), rollout["metadata"].get("namespace", "")
    by = f" by {waiting.by}" if waiting.by else ""
    raise Terminal(
        "CommandWaiting",
        f"{name} has not answered the command before ({waiting.verb}{by}, id {waiting.id}); wait"
        " for it, or look whether the operator runs. To take it back: kubectl annotate -n"
        f" {namespace} rollouts.tidegate.dev/{name} {ANNOTATION}-",
    )


async def _store(where: Place, rollout: Object, command: dict[str, Any]) -> None:
    """Write the annotation unless the Rollout has changed since it was read (Conflict)."""
    metadata = {
        "uid": uid_of(rollout),
        "resourceVersion": resource_version_of(rollout),
        "annotations": {ANNOTATION: json.dumps(command, ensure_ascii=False)},
    }
    await where.client.patch(
        ROLLOUTS,
        name_of(rollout),
        {"metadata": metadata},
        namespace=where.namespace,
        manager=MANAGER,
    )


async def _seen_again(where: Place, rollout: Object, verb: str, command: dict[str, Any]) -> Object:
    """The Rollout as it is now, if the command still is about what is under way.

    Most changes are only newer evidence. Raises Terminal(AttemptChanged) for the others.
    """
    name = name_of(rollout)
    try:
        now = await where.client.get(ROLLOUTS, name, namespace=where.namespace)
    except NotFound as error:
        raise Terminal("RolloutDeleted", f"Rollout {name} was deleted") from error
    target = _target(now, verb)
    same = {key: command.get(key) for key in ("attempt", "revision")}
    if uid_of(now) != uid_of(rollout) or same != {key: target.get(key) for key in same}:
        raise Terminal(
            "AttemptChanged",
            f"something else is under way at {name} now; look at `tidegate status {name}`,"
            " then say it again",
        )
    return now
