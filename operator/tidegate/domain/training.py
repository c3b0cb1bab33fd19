"""When a Model is trained, by what, and what came of it. Pure.

A training is a row of `status.training.runs`: written first, as an intent with the name of the Job
that is to be, then made. So a crash between the two makes no second Job, and one that has run is
never forgotten. At most one training of a Model runs at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from tidegate.api.training import Produced, RetrainResult, TrainingRun, TrainingStatus
from tidegate.domain.conditions import Said
from tidegate.domain.room import TRAININGS_BYTES, fitted
from tidegate.domain.short_words import short
from tidegate.domain.times import moment, stamp
from tidegate.schedules import parse, zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.api.training import Training
    from tidegate.domain.retrain import RetrainCommand

TAG = "tidegate.training"
"""Tag that a training sets on the version it registers, with the value of TIDEGATE_TRAINING."""
CONDITION = "Trained"
KEPT = 10
KEPT_ANYHOW = 3
"""So many trainings, the newest, stay in status whatever room they take."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
ACTIVE = ("Pending", "Running")


@dataclass(frozen=True)
class Try:
    """How the present try of a training stands. `version` is what it says that it registered."""

    state: Literal["Absent", "Running", "Succeeded", "Failed"]
    message: str = ""
    version: str | None = None


@dataclass(frozen=True)
class Made:
    """A revision, as far as it tells which training made it."""

    name: str
    version: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingFacts:
    """What is decided from: `key` is NAMESPACE/MODEL, `present` the active run's try, if any."""

    key: str
    spec: Training | None
    status: TrainingStatus
    present: Try | None = None
    command: RetrainCommand | None = None
    made: Sequence[Made] = ()


@dataclass(frozen=True)
class TrainingNote:
    """Something to tell people, as an Event on the Model."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class TrainingDecision:
    """What is to be written, then done: `start` what must be made if it is not there, `stop` what
    must end. `after` is when to look again."""

    status: TrainingStatus
    start: TrainingRun | None = None
    stop: TrainingRun | None = None
    notes: tuple[TrainingNote, ...] = ()
    said: Said | None = None
    after: timedelta | None = None


def training_id(key: str, run: TrainingRun) -> str:
    """What identifies a training everywhere: NAMESPACE/MODEL/NUMBER."""
    return f"{key}/{run.number}"


def unreadable(spec: Training) -> tuple[str, str] | None:
    """Which field keeps a schedule from being read, and why with the mend; None: none does."""
    try:
        zone_of(spec.time_zone)
    except ValueError as error:
        return "spec.training.timeZone", f"{error}; name one like Europe/Berlin, or leave it out"
    try:
        parse(spec.schedule or "@daily")
    except ValueError as error:
        return "spec.training.schedule", f"{error}; write five fields, like 0 3 * * 1"
    return None


def active_run(status: TrainingStatus) -> TrainingRun | None:
    """The training that is under way, if one is."""
    return next((run for run in status.runs if run.phase in ACTIVE), None)


def decide_training(facts: TrainingFacts, now: datetime) -> TrainingDecision:
    """One look at a Model's trainings."""
    look = _Look(facts, now)
    look.follow()
    look.tie()
    look.obey()
    look.keep_schedule()
    return look.decision()


def refused(status: TrainingStatus, reason: str, message: str, now: datetime) -> TrainingStatus:
    """The status after the active training could not even be begun: it has failed, and is not tried
    again, because nothing but a change by somebody mends it."""
    run = active_run(status)
    if run is None:
        return status
    failed = run.model_copy(
        update={
            "phase": "Failed",
            "reason": reason,
            "message": message[:1024],
            "ended_at": stamp(now),
            "retry_at": None,
        }
    )
    return _with(status, failed)


def begun(status: TrainingStatus, run_id: str) -> TrainingStatus:
    """The status after the active run got an id from the server that runs it."""
    run = active_run(status)
    return status if run is None else _with(status, run.model_copy(update={"run_id": run_id}))


class _Look:
    """One look under way: what becomes of the status, step by step."""

    def __init__(self, facts: TrainingFacts, now: datetime) -> None:
        self.facts = facts
        self.now = now
        self.status = facts.status
        self.notes: list[TrainingNote] = []
        self.start: TrainingRun | None = None
        self.stop: TrainingRun | None = None
        self.waits: list[timedelta] = []
        self.problem: Said | None = None

    def follow(self) -> None:
        """The training under way: begin it, see whether it ended, stop it when it takes too
        long."""
        run, present = active_run(self.status), self.facts.present
        if run is None:
            return
        if run.phase == "Pending" and (present is None or present.state == "Absent"):
            wait = moment(run.retry_at) - self.now if run.retry_at else timedelta(0)
            if wait > timedelta(0):
                self.waits.append(wait)
            else:
                self.start = run
            return
        assert present is not None, "whoever gathers looks at a training that is under way"
        gone = present.state == "Absent"
        if present.state == "Succeeded" or (gone and self._has_made(run)):
            self._succeed(run, present)
        elif present.state == "Failed":
            self._fail(run, "TrainingFailed", present.message or "it failed without a word")
        elif gone:
            self._fail(run, "TrainingDeleted", f"{run.job} was deleted before its end was seen")
        else:
            self._watch(run)

    def _watch(self, run: TrainingRun) -> None:
        if run.phase == "Pending":
            run = run.model_copy(
                update={"phase": "Running", "started_at": stamp(self.now), "retry_at": None}
            )
            self._set(run)
            self._tell("Normal", "TrainingStarted", f"training {run.number}: {run.job} runs")
        timeout = self.facts.spec.timeout if self.facts.spec else None
        if timeout is None or run.started_at is None:
            return
        left = moment(run.started_at) + timeout - self.now
        if left <= timedelta(0):
            self.stop = run
            self._fail(run, "TrainingTimedOut", f"{run.job} ran longer than spec.training.timeout")
        else:
            self.waits.append(left)

    def _succeed(self, run: TrainingRun, present: Try) -> None:
        produced = Produced(version=present.version) if present.version else None
        done = run.model_copy(
            update={
                "phase": "Succeeded",
                "started_at": run.started_at or stamp(self.now),
                "ended_at": stamp(self.now),
                "reason": None,
                "message": None,
                "retry_at": None,
                "produced": produced,
            }
        )
        self._set(done)
        self._tell("Normal", "TrainingSucceeded", f"training {run.number}: {run.job} succeeded")

    def _fail(self, run: TrainingRun, reason: str, message: str) -> None:
        """A try has failed: another one after a pause, or the training has failed."""
        retries = self.facts.spec.retries if self.facts.spec else 0
        told: dict[str, Any] = {"reason": reason, "message": message[:1024]}
        if run.attempt <= retries:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (run.attempt - 1))
            following = run.attempt + 1
            told |= {
                "phase": "Pending",
                "attempt": following,
                "job": _job_name(self.facts.key, run.number, following),
                "run_id": None,
                "started_at": None,
                "retry_at": stamp(self.now + pause),
            }
            self.waits.append(pause)
            message += f"; tried again at {told['retry_at']}"
        else:
            told |= {"phase": "Failed", "ended_at": stamp(self.now), "retry_at": None}
        self._set(run.model_copy(update=told))
        self._tell("Warning", "TrainingFailed", f"training {run.number}: {message}")

    def tie(self) -> None:
        """Say which revision a training made, once it is there."""
        for run in self.status.runs:
            if run.phase != "Succeeded" or (run.produced and run.produced.revision):
                continue
            found = next((one for one in self.facts.made if self._made_by(run, one)), None)
            if found is not None:
                produced = Produced(version=found.version, revision=found.name)
                self._set(run.model_copy(update={"produced": produced}))

    def _has_made(self, run: TrainingRun) -> bool:
        return any(self._made_by(run, revision) for revision in self.facts.made)

    def _made_by(self, run: TrainingRun, revision: Made) -> bool:
        if revision.tags.get(TAG) == training_id(self.facts.key, run):
            return True
        version = run.produced.version if run.produced else None
        return version is not None and revision.version == version

    def obey(self) -> None:
        """Train because somebody asks for it, unless that was answered before."""
        command, last = self.facts.command, self.status.last_command
        if command is None or (last is not None and last.id == command.id):
            return
        problem = command.problem
        running = active_run(self.status)
        if not problem and self.facts.spec is None:
            problem = "the Model has no spec.training; say there what a training is made of"
        elif not problem and running is not None:
            problem = f"training {running.number} is under way"
        if problem:
            self._tell("Warning", "RetrainIgnored", problem)
        else:
            self._begin("Command", by=command.by or None)
        result = f"Ignored: {problem}" if problem else "Done"
        answered = RetrainResult(
            id=command.id, by=command.by or None, at=stamp(self.now), result=result[:512]
        )
        self.status = self.status.model_copy(update={"last_command": answered})

    def keep_schedule(self) -> None:
        """Train when it is due. What was due several times while nobody looked is made up for
        once."""
        spec = self.facts.spec
        if spec is None or spec.schedule is None:
            self.status = self.status.model_copy(update={"scheduled_until": None})
            return
        wrong = unreadable(spec)
        if wrong is not None:
            self.problem = Said(CONDITION, "False", "ScheduleInvalid", ": ".join(wrong))
            return
        schedule = parse(spec.schedule, zone=spec.time_zone)
        since = self.status.scheduled_until
        due = schedule.latest(since=moment(since), until=self.now) if since else None
        if since is None or due is not None:
            update = {"scheduled_until": stamp(due or self.now)}
            self.status = self.status.model_copy(update=update)
        if due is not None:
            running = active_run(self.status)
            if running is None:
                self._begin("Schedule", at=due)
            else:
                message = f"training {running.number} is under way; the one due {stamp(due)}"
                self._tell("Warning", "TrainingLeftOut", f"{message} is left out")
        self.waits.append(schedule.after(self.now) - self.now)

    def _begin(
        self,
        asked_by: Literal["Schedule", "Command", "Monitor"],
        *,
        by: str | None = None,
        at: datetime | None = None,
    ) -> None:
        number = max((run.number for run in self.status.runs), default=0) + 1
        run = TrainingRun(
            number=number,
            asked_by=asked_by,
            by=by,
            at=stamp(at or self.now),
            phase="Pending",
            job=_job_name(self.facts.key, number, 1),
        )
        runs = _in_room([run, *self.status.runs][:KEPT])
        self.status = self.status.model_copy(update={"runs": runs})
        self.start = run

    def decision(self) -> TrainingDecision:
        """What all of it comes to."""
        if self.start is not None:
            self.waits.append(timedelta(seconds=5))
        return TrainingDecision(
            status=self.status,
            start=self.start,
            stop=self.stop,
            notes=tuple(self.notes),
            said=self.problem or trained(self.status),
            after=min(self.waits, default=None),
        )

    def _set(self, run: TrainingRun) -> None:
        self.status = _with(self.status, run)

    def _tell(self, type_: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        self.notes.append(TrainingNote(type_, reason, message))


def trained(status: TrainingStatus) -> Said | None:
    """The condition Trained: what became of the last training; None before the first."""
    if not status.runs:
        return None
    run = status.runs[0]
    name = f"training {run.number} ({run.job})"
    if run.phase in ACTIVE:
        why = f"; the try before: {run.message}" if run.message else ""
        return Said(CONDITION, "Unknown", "Training", f"{name} is under way{why}")
    if run.phase == "Failed":
        mend = "mend it and ask again: tidegate retrain"
        return Said(CONDITION, "False", run.reason or "Failed", f"{name}: {run.message}; {mend}")
    if run.produced is not None and run.produced.revision is not None:
        return Said(CONDITION, "True", "Succeeded", f"{name} made {run.produced.revision}")
    message = f"{name} succeeded; no revision is known to be made by it (tag {TAG})"
    return Said(CONDITION, "True", "Succeeded", message)


def _in_room(runs: list[TrainingRun]) -> list[TrainingRun]:
    """The trainings, newest first, of which the older ones lose their words, and then go, where
    they take too much room."""
    whole = {run.number for run in runs[:KEPT_ANYHOW]}

    def in_short(run: TrainingRun) -> TrainingRun:
        newest = run.number == runs[0].number
        return (
            run
            if newest or not run.message
            else run.model_copy(update={"message": short(run.message)})
        )

    def gone(run: TrainingRun) -> TrainingRun | None:
        return run if run.number in whole else None

    return fitted(runs[::-1], room=TRAININGS_BYTES, steps=(in_short, gone))[::-1]


def _with(status: TrainingStatus, run: TrainingRun) -> TrainingStatus:
    runs = [run if old.number == run.number else old for old in status.runs]
    return status.model_copy(update={"runs": runs})


def _job_name(key: str, number: int, attempt: int) -> str:
    model = key.rpartition("/")[2]
    return f"{model}-train-{number}" if attempt == 1 else f"{model}-train-{number}-{attempt}"
