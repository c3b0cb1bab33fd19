"""`tidegate status`: one delivery as people and programs see it, in every phase of its life."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, model

from tidegate.cli.delivery import span
from tidegate.kube.resources import MODELS, ROLLOUTS

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate

BETTER = "https://models/v2"


@pytest.mark.scenario("ST-04")
async def test_one_attempt_from_the_start_to_the_end(site: Site, tidegate: Tidegate) -> None:
    stable = await site.start()
    assert "waits for  nothing" in (await tidegate("status", NAME)).out
    candidate = await site.ask_for(BETTER)
    await site.until("WarmingUp")
    await site.pass_time(seconds=2)
    assert "warm-up: " in (await tidegate("status", NAME)).out
    await site.until("Progressing")
    await site.pass_time(seconds=12)
    ran = await tidegate("status", "flights")
    assert (ran.code, ran.err) == (0, "")
    assert "Rollout demo/flights of Model flight-delay: Progressing" in ran.out
    assert f"95 %  {stable} (2 pods ready)" in ran.out
    assert f"5 %  {candidate} (1 pod ready)" in ran.out
    assert "step       1 of 3, " in ran.out
    assert " more at weight 5" in ran.out
    assert "the next look at the metrics" in ran.out
    shown = next(line for line in ran.out.splitlines() if line.startswith("errors"))
    assert "[" in shown
    assert " %" in shown
    assert shown.endswith("Continue")
    assert "Progressing → Progressing, StepReached: step 1 of 3: weight 5" in ran.out
    await site.until("Healthy")
    after = (await tidegate("status", NAME)).out
    assert f"Promoting → Healthy, Promoted: {candidate} is stable now" in after


async def test_the_last_step_says_what_the_evidence_lacks(site: Site, tidegate: Tidegate) -> None:
    site.rate = 20
    await site.start(strategy={"canary": {"steps": [{"weight": 5, "duration": "1s"}]}})
    await site.ask_for(BETTER)
    await site.until("Progressing")
    first = (await tidegate("status", NAME)).out
    assert "waits for  1 s more at weight 5" in first
    assert "500 more requests of the candidate" in first
    await site.pass_time(seconds=20)
    shown = (await tidegate("status", NAME)).out
    assert "evidence to promote: errors (" in shown
    assert "more requests of the candidate" in shown
    assert "of evaluating, else Rollback" in shown


async def test_a_rejected_revision_a_pause_and_a_hold_say_how_to_go_on(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    assert (await tidegate("pause", NAME)).code == 0
    paused = (await tidegate("status", NAME)).out
    assert "paused     PausedByCommand" in paused
    assert "waits for  paused by admin; `tidegate resume flights` goes on" in paused
    assert "command    pause by admin at " in paused
    assert (await tidegate("resume", NAME)).code == 0
    site.rate = 0
    await site.until("Holding")
    held = (await tidegate("status", NAME)).out
    assert "hold       NoData since " in held
    assert " at last: Pause" in held
    assert (await tidegate("abort", NAME)).code == 0
    await site.until("Degraded")
    assert "try it again: `tidegate retry flights`" in (await tidegate("status", NAME)).out


async def test_a_command_that_nobody_answered_is_what_is_waited_for(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await tidegate("abort", NAME, "--no-wait", operator=False)
    shown = await tidegate("status", NAME, operator=False)
    assert "waits for  the operator is to answer abort by admin" in shown.out


async def test_what_is_long_over_is_not_shown_at_rest(site: Site, tidegate: Tidegate) -> None:
    await site.start(baking={"duration": "1s"}, rollbackWindow={"duration": "1s"})
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.command("promote", by="anna")
    assert "promote by anna" in (await tidegate("status", NAME)).out
    await site.until("Healthy")
    after = (await tidegate("status", NAME)).out
    assert "promote by anna" not in after
    assert not [line for line in after.splitlines() if "(0/0)" in line or " 0 of 0" in line]


async def test_a_revision_that_a_gate_refused_is_shown_with_what_each_gate_said(
    site: Site, tidegate: Tidegate
) -> None:
    stable = await site.start()
    gate = {"name": "auc", "metric": "roc_auc", "min": 0.65}
    await site.kube.put(model(BETTER, gates=[gate]))
    await site.harness.settle()
    latest = (await site.model())["status"]["latestRevision"]
    shown = (await tidegate("status", NAME)).out
    assert stable != latest
    assert f"asked for  {latest}: Refused, GateFailed" in shown
    assert "gate       auc: Failed, no registry knows this version" in shown
    document = json.loads((await tidegate("status", NAME, "-o", "json")).out)
    assert document["admission"]["result"] == "Refused"
    assert [one["result"] for one in document["gates"]] == ["Failed"]


async def test_the_document_has_the_words_of_the_api_and_not_the_operators_own_state(
    site: Site, tidegate: Tidegate
) -> None:
    stable = await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.pass_time(seconds=12)
    found = (await tidegate("status", NAME, "-o", "json")).document
    assert (found["rollout"], found["model"], found["stable"]) == ("flights", NAME, stable)
    assert [(arm["name"], arm["weight"]) for arm in found["arms"]] == [
        ("stable", 95),
        ("candidate", 5),
    ]
    assert {entry["metric"] for entry in found["evidence"]} == {"errors", "latency", "slo"}
    assert not any("state" in entry for entry in found["evidence"])
    assert found["waitsFor"]
    assert "rollout: flights" in (await tidegate("status", NAME, "-o", "yaml")).out


async def test_without_a_name_all_of_the_namespace_is_shown(site: Site, tidegate: Tidegate) -> None:
    assert "no Model and no Rollout in namespace demo" in (await tidegate("status")).out
    stable = await site.start()
    alone = model("https://models/alone", delivery="Direct", traffic=None)
    alone["metadata"]["name"] = "alone"
    await site.kube.put({**alone, "spec": {k: v for k, v in alone["spec"].items() if v}})
    await site.harness.settle()
    heading, *lines = (await tidegate("status")).out.splitlines()
    assert heading.split()[:3] == ["ROLLOUT", "MODEL", "PHASE"]
    assert [line.split()[:4] for line in lines if line.startswith("flights")] == [
        ["flights", NAME, "Healthy", stable]
    ]
    assert any(line.split()[:3] == ["-", "alone", "-"] for line in lines)
    assert len((await tidegate("status", "-o", "json")).document) == 2
    assert "Model demo/alone without a Rollout" in (await tidegate("status", "alone")).out


async def test_a_missing_model_and_a_silent_operator_are_said(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    ran = await tidegate("status", "flights", operator=False)
    assert f"waits for  Model {NAME} does not exist: create it" in ran.out
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    gone = await tidegate("status", "flights", operator=False)
    assert gone.code == 1
    assert "error: RolloutNotFound: no Rollout flights" in gone.err


async def test_a_watch_writes_a_line_for_each_change_until_it_is_interrupted(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    # The fixture is there for its server: a watch has to be ended from outside its process.
    watch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "status", NAME, "-w", "-o", "json"),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert watch.stdout is not None
        first = json.loads(await asyncio.wait_for(watch.stdout.readline(), 20))
        await site.ask_for(BETTER)
        second = json.loads(await asyncio.wait_for(watch.stdout.readline(), 20))
        assert (first["phase"], second["attempt"]["number"]) == ("Healthy", 1)
    finally:
        watch.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(watch.wait(), 20)
    assert code == 130


async def test_on_a_terminal_a_watch_draws_the_picture_until_it_is_interrupted(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    ours, theirs = pty.openpty()
    watch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidegate", "status", NAME, "--watch"),
        stdout=theirs,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        shown = await read_until(ours, "waits for")
    finally:
        watch.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(watch.wait(), 20)
        os.close(ours)
    assert code == 130
    assert "\x1b[" in shown
    assert "Healthy" in shown


async def read_until(terminal: int, word: str) -> str:
    """What a program draws on a terminal, until a word comes."""
    shown = ""
    async with asyncio.timeout(20):
        while word not in shown:
            with suppress(BlockingIOError):
                shown += os.read(terminal, 65536).decode(errors="replace")
            await asyncio.sleep(0.05)
    return shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (150, "2.5 min"), (7200, "2 h"), (345600, "4 d")],
)
def test_spans_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert span(seconds) == text
