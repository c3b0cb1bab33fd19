"""When a Model is trained, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.training import Training, TrainingStatus
from tidegate.domain.retrain import read_command
from tidegate.domain.training import (
    KEPT,
    TAG,
    Made,
    TrainingFacts,
    Try,
    active_run,
    decide_training,
    refused,
)

NOW = datetime(2026, 3, 2, 2, 59, tzinfo=UTC)  # a Monday
KEY = "demo/flights"
MONDAYS = {"schedule": "0 3 * * 1"}


def training(**spec: Any) -> Training:
    return Training.model_validate({"jobFrom": {"cronJobRef": {"name": "retrain"}}, **spec})


class Life:
    """A Model's trainings over time: each look sees what the one before wrote."""

    def __init__(self, **spec: Any) -> None:
        self.spec: Training | None = training(**spec)
        self.status = TrainingStatus()
        self.now = NOW
        self.jobs: dict[str, Try] = {}
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.told: list[str] = []
        self.command: str | None = None
        self.made: list[Made] = []

    def look(self) -> timedelta | None:
        run = active_run(self.status)
        present = self.jobs.get(run.job, Try("Absent")) if run else None
        facts = TrainingFacts(
            KEY, self.spec, self.status, present, read_command(self.command), self.made
        )
        decision = decide_training(facts, self.now)
        self.status = decision.status
        self.told += [note.reason for note in decision.notes]
        if decision.start is not None:
            self.begun.append(decision.start.job)
            self.jobs[decision.start.job] = Try("Running")
        if decision.stop is not None:
            self.stopped.append(decision.stop.job)
        return decision.after

    def until(self, moment: datetime) -> None:
        """Look whenever a look was asked for."""
        for _ in range(200):
            after = self.look()
            if after is None or self.now + after > moment:
                break
            self.now += max(after, timedelta(seconds=1))
        self.now = moment
        self.look()

    @property
    def phases(self) -> list[str]:
        return [run.phase for run in self.status.runs]


def test_a_training_begins_when_it_is_due_and_not_when_it_is_declared() -> None:
    life = Life(**MONDAYS)
    life.look()
    assert life.begun == []
    life.until(NOW + timedelta(minutes=2))
    assert life.begun == ["flights-train-1"]
    assert life.status.runs[0].at == "2026-03-02T03:00:00Z"
    life.jobs["flights-train-1"] = Try("Succeeded")
    life.until(NOW + timedelta(days=6))
    assert life.begun == ["flights-train-1"]
    life.until(NOW + timedelta(days=7, minutes=2))
    assert life.begun == ["flights-train-1", "flights-train-2"]


def test_what_was_due_while_nobody_looked_is_made_up_for_once() -> None:
    life = Life(**MONDAYS)
    life.look()
    life.now += timedelta(days=30)
    life.look()
    life.look()
    assert life.begun == ["flights-train-1"]


def test_a_schedule_keeps_to_its_time_zone() -> None:
    life = Life(schedule="30 4 * * *", timeZone="Europe/Berlin")
    life.look()
    life.until(NOW + timedelta(minutes=40))
    assert life.status.runs[0].at == "2026-03-02T03:30:00Z"


def test_one_that_is_due_while_another_runs_is_left_out_and_said() -> None:
    life = Life(schedule="0 * * * *", timeout="5h")
    life.look()
    life.until(NOW + timedelta(minutes=70))
    assert life.begun == ["flights-train-1"]
    assert "TrainingLeftOut" in life.told


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"schedule": "sometimes"}, "five fields"),
        ({"schedule": "0 3 * * 8"}, "above maximum"),
        ({"schedule": "0 3 * * *", "timeZone": "Mars/Olympus"}, "timeZone: unknown time zone"),
    ],
)
def test_a_wrong_schedule_is_said_and_trains_nothing(spec: dict[str, str], words: str) -> None:
    facts = TrainingFacts(KEY, training(**spec), TrainingStatus())
    decision = decide_training(facts, NOW)
    assert decision.start is None
    assert decision.said is not None
    assert (decision.said.status, decision.said.reason) == ("False", "ScheduleInvalid")
    assert words in decision.said.message


def test_a_command_trains_once_whoever_looks_how_often() -> None:
    life = Life()
    life.command = '{"id": "1", "by": "ann"}'
    for _ in range(3):
        life.look()
    assert life.begun == ["flights-train-1"]
    assert (life.status.runs[0].asked_by, life.status.runs[0].by) == ("Command", "ann")
    life.command = '{"id": "2"}'
    life.look()
    assert life.status.last_command is not None
    assert life.status.last_command.result == "Ignored: training 1 is under way"


@pytest.mark.parametrize(("text", "words"), [("now!", "no JSON object"), ("[]", "no JSON object")])
def test_a_command_that_cannot_be_understood_is_answered_too(text: str, words: str) -> None:
    life = Life()
    life.command = text
    life.look()
    assert life.begun == []
    assert life.status.last_command is not None
    assert words in life.status.last_command.result


def test_without_a_training_section_a_command_says_what_is_missing() -> None:
    life = Life()
    life.spec, life.command = None, '{"id": "1"}'
    life.look()
    assert life.status.last_command is not None
    assert "no spec.training" in life.status.last_command.result


def test_a_training_that_fails_is_tried_again_a_bounded_number_of_times_with_growing_pauses() -> (
    None
):
    life = Life(retries=2)
    life.command = '{"id": "1"}'
    pauses = []
    for name in ("flights-train-1", "flights-train-1-2", "flights-train-1-3"):
        life.look()
        assert life.begun[-1] == name
        life.look()
        life.jobs[name] = Try("Failed", "BackoffLimitExceeded")
        began = life.now
        after = life.look()
        if life.status.runs[0].phase == "Failed":
            break
        assert after is not None
        life.look()
        assert life.begun[-1] == name, "it waits"
        life.now = began + after
        pauses.append(after.total_seconds())
    assert pauses == [30, 60]
    assert life.phases == ["Failed"]
    assert life.status.runs[0].message == "BackoffLimitExceeded"
    assert len(life.begun) == 3


def test_one_that_takes_too_long_is_stopped_and_has_failed() -> None:
    life = Life(timeout="10m", retries=0)
    life.command = '{"id": "1"}'
    life.look()
    life.until(NOW + timedelta(minutes=11))
    assert life.stopped == ["flights-train-1"]
    assert (life.phases, life.status.runs[0].reason) == (["Failed"], "TrainingTimedOut")


def test_a_job_that_somebody_deletes_has_failed() -> None:
    life = Life(retries=0)
    life.command = '{"id": "1"}'
    life.look()
    life.look()
    life.jobs.clear()
    life.look()
    assert (life.phases, life.status.runs[0].reason) == (["Failed"], "TrainingDeleted")


def test_one_that_is_gone_has_succeeded_where_a_revision_says_that_it_made_it() -> None:
    life = Life(retries=1)
    life.command = '{"id": "1"}'
    life.look()
    life.look()
    life.jobs.clear()
    life.made = [Made("flights-abc", "7", {TAG: "demo/flights/1"})]
    life.look()
    assert life.phases == ["Succeeded"]
    assert life.status.runs[0].produced is not None
    assert life.status.runs[0].produced.revision == "flights-abc"
    assert life.begun == ["flights-train-1"]


@pytest.mark.parametrize(
    ("version", "made"),
    [
        (None, Made("flights-abc", "7", {TAG: "demo/flights/1"})),
        ("7", Made("flights-abc", "7")),
    ],
    ids=["by its tag", "by what it said"],
)
def test_what_it_registered_is_tied_to_it_when_the_revision_appears(
    version: str | None, made: Made
) -> None:
    life = Life()
    life.command = '{"id": "1"}'
    life.look()
    life.look()
    life.jobs["flights-train-1"] = Try("Succeeded", version=version)
    life.made = [Made("flights-old", "6", {TAG: "demo/other/1"})]
    life.look()
    produced = life.status.runs[0].produced
    assert produced is None or produced.revision is None
    life.made.append(made)
    life.look()
    assert life.status.runs[0].produced is not None
    assert life.status.runs[0].produced.revision == "flights-abc"


def test_one_that_cannot_be_begun_has_failed_and_says_why() -> None:
    life = Life()
    life.command = '{"id": "1"}'
    life.look()
    status = refused(life.status, "JobFromMissing", "CronJob retrain does not exist", NOW)
    assert [(run.phase, run.reason) for run in status.runs] == [("Failed", "JobFromMissing")]
    assert refused(status, "Other", "", NOW) == status


@given(st.lists(st.sampled_from(["command", "fail", "succeed", "delete", "hour", "crash"])))
def test_whatever_happens_at_most_one_runs_and_numbers_and_names_are_never_used_twice(
    events: list[str],
) -> None:
    life = Life(schedule="0 */3 * * *", retries=1, timeout="2h")
    for number, event in enumerate(events):
        run = active_run(life.status)
        before = life.status
        if event == "command":
            life.command = f'{{"id": "{number}"}}'
        elif event == "hour":
            life.now += timedelta(hours=1)
        elif run is not None and event in ("fail", "succeed"):
            life.jobs[run.job] = Try("Failed" if event == "fail" else "Succeeded")
        elif run is not None and event == "delete":
            life.jobs.pop(run.job, None)
        life.look()
        if event == "crash":
            # Nothing of the last look reached the server, but the Job may have been made.
            life.status = before
        assert sum(phase in ("Pending", "Running") for phase in life.phases) <= 1
        assert len(life.status.runs) <= KEPT
        numbers = [run.number for run in life.status.runs]
        assert numbers == sorted(set(numbers), reverse=True)


def test_older_trainings_lose_words_then_go_where_there_is_no_room() -> None:
    life = Life(retries=0)
    for number in range(1, 9):
        life.command = f'{{"id": "{number}"}}'
        life.look()
        life.jobs[life.begun[-1]] = Try("Failed", message="x" * 300)
        life.look()
        assert life.status.runs[0].message == "x" * 300
    assert [run.number for run in life.status.runs] == [8, 7, 6, 5, 4]
    older = life.status.runs[-1]
    assert older.message == "x" * 119 + "…"
    assert older.reason == "TrainingFailed"
