"""What a look adds to a record: each thing once, with what was known, whatever dies when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.domain.record.kept import KeptSim
from tests.domain.rollout.sim import ERRORS, SLO, spec

from tidegate.api.record_status import OpenRecord
from tidegate.domain.evidence import Unseen
from tidegate.domain.record import Row, is_due, packed, replay, unpacked
from tidegate.domain.record.rows import batch_body, batch_of

DOWN = Unseen("MetricsUnavailable", "connection refused")


def trying(**more: Any) -> KeptSim:
    """r2 is being tried beside r1."""
    sim = KeptSim(spec((5, 60), (50, 60), **more))
    sim.stable()
    sim.ask("r2")
    sim.until("Progressing")
    return sim


def kinds(rows: list[Row]) -> list[str]:
    return [row.kind for row in rows]


def test_a_record_begins_with_what_the_attempt_is_about() -> None:
    begin, declared, started = trying().record(1)[:3]
    assert begin.kind == "begin"
    assert (begin.body["stable"], begin.body["candidate"]) == ("r1", "r2")
    assert (begin.body["model"], begin.body["rollout"]) == ("m", "flights")
    assert declared.body["spec"]["analysis"]["minRequests"] == 500
    assert (started.kind, started.body["reason"]) == ("transition", "AttemptStarted")


def test_what_was_frozen_stands_before_the_first_batch() -> None:
    sim = trying()
    sim.run(20)
    rows = sim.record(1)
    frozen = next(row for row in rows if row.kind == "evidence")
    assert frozen.body["why"] == "start"
    assert frozen.body["levels"]["rollback"] == pytest.approx(5.298317)
    assert frozen.body["states"]["latency"]["t"]
    assert frozen.seq < next(row.seq for row in rows if row.kind == "batch")


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_crash_at_any_write_counts_every_batch_once(written: int) -> None:
    sim = trying()
    for _ in range(12):
        sim.run(4)
        sim.look(written=written)
    sim.until("Healthy")
    rows = sim.record(1)
    ends = [row.at for row in rows if row.kind == "batch"]
    assert ends == sorted(set(ends))
    assert replay(rows).same


def test_an_outage_is_one_gap_and_not_one_a_look() -> None:
    sim = trying()
    sim.run(15)
    sim.outage = DOWN
    sim.run(40)
    sim.outage = None
    sim.run(10)
    sim.outage = DOWN
    sim.run(10)
    gaps = [row.body for row in sim.record(1) if row.kind == "gap"]
    assert [gap["reason"] for gap in gaps] == ["MetricsUnavailable"] * 2
    assert all(gap["since"] for gap in gaps)


def test_commands_are_recorded_with_who_and_what_came_of_them() -> None:
    sim = trying()
    sim.say("pause")
    sim.say("pause", attempt=9)
    sim.say("resume")
    said = [row.body for row in sim.record(1) if row.kind == "command"]
    assert [(body["verb"], body["by"]) for body in said] == [
        ("pause", "alice"), ("pause", "alice"), ("resume", "alice"),
    ]  # fmt: skip
    assert said[1]["result"].startswith("Ignored: it was meant for attempt 9")


def test_a_retry_is_the_first_thing_of_the_attempt_that_it_brings() -> None:
    sim = trying()
    sim.say("abort")
    sim.until("Degraded")
    sim.run(5)
    sim.say("retry")
    rows = sim.record(2)
    assert kinds(rows)[:4] == ["begin", "spec", "command", "transition"]
    assert rows[2].body["verb"] == "retry"
    assert kinds(sim.record(1))[-1] == "end"


def test_an_edit_in_place_is_recorded_and_an_unchanged_spec_is_not() -> None:
    sim = trying()
    sim.generation += 1
    sim.run(2)
    sim.spec = spec((5, 60), (50, 60), deadline="3h")
    sim.generation += 1
    sim.run(2)
    specs = [row.body for row in sim.record(1) if row.kind == "spec"]
    assert [body["spec"]["deadline"] for body in specs] == ["2h", "3h"]
    assert specs[1]["generation"] == sim.generation


def test_an_attempt_that_ends_and_one_that_begins_in_one_look_have_a_record_each() -> None:
    sim = trying(metrics=[ERRORS, SLO])
    sim.run(10)
    sim.ask("r3")
    sim.until("Progressing")
    first, second = sim.record(1), sim.record(2)
    assert kinds(first)[-1] == "end"
    assert first[-2].body["reason"] == "TakenBack"
    assert second[0].body["candidate"] == "r3"
    assert replay(first).same
    assert replay(second).same


def test_an_attempt_that_was_under_way_before_records_were_kept_is_recorded_from_now_on() -> None:
    sim = trying()
    sim.run(20)
    sim.status = sim.status.model_copy(update={"records": []})
    sim.shelf, sim.known = {}, {}
    sim.until("Healthy")
    rows = sim.record(1)
    assert rows[0].body["late"] is True
    assert rows[2].body["why"] == "late"
    assert replay(rows).same


def test_while_nothing_can_be_written_the_status_stays_small_and_then_says_what_is_missing() -> (
    None
):
    sim = KeptSim(spec((5, 600)))
    sim.stable()
    sim.broken = True
    sim.ask("r2")
    most = 0
    for _ in range(100):
        sim.run(5)
        most = max(most, sum(len(row) for r in sim.status.records for row in r.rows))
    assert most < 7000
    sim.broken = False
    sim.until("Healthy")
    rows = sim.record(1)
    assert kinds(rows)[:2] == ["begin", "spec"]
    assert "lost" in kinds(rows)
    found = replay(rows)
    assert not found.same
    assert not [check for check in found.checks if check.exact and check.problem]
    assert found.checks[-1].exact


def test_rows_are_written_some_at_a_time_and_all_at_the_end() -> None:
    some = [packed(Row(n, "weight", "2026-01-05T12:00:00Z", {}).line()) for n in range(1, 21)]
    assert not is_due(OpenRecord(name="x", attempt=1, seq=19, rows=some[:19]))
    assert is_due(OpenRecord(name="x", attempt=1, seq=20, rows=some))
    assert is_due(OpenRecord(name="x", attempt=1, seq=1, rows=some[:1], ended=True))
    assert is_due(OpenRecord(name="x", attempt=1, seq=1, rows=["y" * 3000]))
    assert not is_due(OpenRecord(name="x", attempt=1))


def test_a_batch_comes_back_from_its_row_to_the_millisecond() -> None:
    sim = trying()
    sim.run(20)
    batch = replace(sim.batches[0], shadow=True)
    row = Row(1, "batch", batch.end.strftime("%Y-%m-%dT%H:%M:%SZ"), batch_body(batch))
    found = batch_of(row)
    assert (found.start, found.end, found.shadow) == (batch.start, batch.end, True)
    assert (found.stable, found.candidate) == (batch.stable, batch.candidate)


def test_long_rows_are_compressed_and_come_back() -> None:
    line = Row(1, "spec", "2026-01-05T12:00:00Z", {"spec": {"a": "ü" * 2000}}).line()
    assert len(packed(line)) < 300
    assert unpacked(packed(line)) == line
    assert unpacked(packed("[1]")) == "[1]"
