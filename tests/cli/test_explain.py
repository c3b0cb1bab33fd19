"""`tidegate explain`: the story of an attempt, while it is under way and long after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.controllers.site import NAME, NAMESPACE, Site, model

from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate

BETTER, WORSE = "https://models/v2", "https://models/v3"


async def test_a_promotion_is_told_from_its_start_to_its_end(
    site: Site, tidegate: Tidegate
) -> None:
    stable = await site.start()
    candidate = await site.ask_for(BETTER)
    await site.until("Healthy")
    await site.pass_time(seconds=2)
    ran = await tidegate("explain", NAME)
    assert (ran.code, ran.err) == (0, "")
    assert f"Attempt 1 of Rollout demo/flights of Model {NAME}: {candidate} was promoted" in ran.out
    assert f"It began: {candidate} was to take the place of {stable}." in ran.out
    assert "What decided: EvidencePromotes at " in ran.out
    assert "every comparison reached ln(1/falsePromotionRate) = 3.00 nats" in ran.out
    assert "at least minRequests = 500 requests" in ran.out
    steps = [line for line in ran.out.splitlines() if line.startswith("step ")]
    assert [line.split("  ")[0] for line in steps[1:]] == [
        "step 1 of 3: weight 5", "step 2 of 3: weight 25", "step 3 of 3: weight 50",
    ]  # fmt: skip
    assert "The evidence at the end" in ran.out


async def test_an_attempt_under_way_is_told_up_to_now(site: Site, tidegate: Tidegate) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.pass_time(seconds=12)
    assert (await tidegate("pause", NAME)).code == 0
    ran = await tidegate("explain", "flights", "-o", "json")
    told = ran.document
    assert told["outcome"] == "under way: phase Paused"
    assert told["endedAt"] is None
    assert told["steps"][0]["batches"] >= 2
    assert {entry["metric"] for entry in told["evidence"]} == {"errors", "latency", "slo"}
    assert "admin sent pause: Done." in [entry["text"] for entry in told["timeline"]]
    assert "The evidence so far" in (await tidegate("explain", NAME)).out


async def test_what_was_taken_back_says_what_broke_and_by_which_bound(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    bad = await site.ask_for(WORSE)
    await site.until("Progressing")
    site.metrics.behave(site.cluster(bad), error_rate=0.4)
    await site.until("Degraded")
    ran = await tidegate("explain", NAME)
    assert f"{bad} was taken back" in ran.out
    assert "What decided: " in ran.out
    assert "= 5.30 nats" in ran.out


async def test_an_earlier_attempt_is_told_by_its_number(site: Site, tidegate: Tidegate) -> None:
    await site.start()
    first = await site.ask_for(BETTER)
    await site.until("Progressing")
    assert (await tidegate("abort", NAME)).code == 0
    await site.until("Degraded")
    second = await site.ask_for(WORSE)
    await site.until("Progressing")
    told = (await tidegate("explain", NAME, "--at", "1", "-o", "json")).document
    assert (told["attempt"], told["candidate"]) == (1, first)
    assert told["decidedBy"]["reason"] == "Aborted"
    assert told["decidedBy"]["rule"] == "a person decided"
    assert (await tidegate("explain", NAME, "-o", "json")).document["candidate"] == second
    missing = await tidegate("explain", NAME, "--at", "7")
    assert missing.code == 1
    assert (
        "no record of attempt 7 at flight-delay: there are records of attempt 1, 2" in missing.err
    )


async def test_records_outlive_their_rollout(site: Site, tidegate: Tidegate) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Healthy")
    await site.pass_time(seconds=2)
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    ran = await tidegate("explain", NAME, "--model")
    assert ran.code == 0
    assert "was promoted" in ran.out


async def test_nothing_recorded_yet_and_no_such_thing_are_errors(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    ran = await tidegate("explain", NAME)
    assert ran.code == 1
    assert "no attempt was recorded yet" in ran.err
    assert (await tidegate("explain", "nothing")).code == 1
    assert (await tidegate("explain")).code == 2
    await site.kube.put(model())
