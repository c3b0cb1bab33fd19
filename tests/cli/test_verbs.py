"""The verbs as a person types them, from the command line to what the engine has done about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, condition, rollout

from tidegate.kube.resources import MODELS, ROLLOUTS

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate

BETTER = "https://models/v2"


async def under_way(site: Site) -> str:
    """Revision 2 has traffic; returns its name."""
    await site.start()
    candidate = await site.ask_for(BETTER)
    await site.until("Progressing")
    return candidate


async def annotate(site: Site, text: str | None) -> None:
    patch = {"metadata": {"annotations": {"tidegate.dev/command": text}}}
    await site.kube.user.patch(ROLLOUTS, "flights", patch, namespace=NAMESPACE, manager="bob")


async def test_abort_takes_the_candidate_back_and_says_who_did_it(
    site: Site, tidegate: Tidegate
) -> None:
    candidate = await under_way(site)
    ran = await tidegate("abort", "flights")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"flights: abort (attempt 1, revision {candidate}): Done; phase ")
    found = await site.until("Degraded")
    assert found["status"]["attempt"]["ending"]["message"] == "aborted by admin"
    command = json.loads(found["metadata"]["annotations"]["tidegate.dev/command"])
    assert command["id"] == found["status"]["lastCommand"]["id"]
    assert (command["attempt"], command["revision"]) == (1, candidate)
    assert (command["by"], "force" in command) == ("admin", False)
    assert command["at"].endswith("Z")


async def test_a_whole_day_of_verbs_each_done_once(site: Site, tidegate: Tidegate) -> None:
    candidate = await under_way(site)
    assert (await tidegate("pause", NAME)).code == 0
    assert (await site.rollout())["status"]["phase"] == "Paused"
    assert "`tidegate resume flights`" in condition(await site.rollout(), "Ready")["message"]
    assert (await tidegate("resume", NAME)).code == 0
    assert (await site.rollout())["status"]["phase"] == "Progressing"
    assert (await tidegate("skip", NAME)).code == 0
    assert (await site.rollout())["status"]["step"]["index"] == 1
    assert (await tidegate("abort", NAME)).code == 0
    await site.until("Degraded")
    said = condition(await site.rollout(), "Ready")["message"]
    assert said.endswith("Change the Model, or try it again: `tidegate retry flights`")
    again = await tidegate("retry", NAME)
    assert again.out.startswith(f"flights: retry (attempt 1, revision {candidate}): Done")
    await site.until("Progressing")
    assert (await tidegate("promote", NAME)).code == 0
    await site.until("Healthy")
    assert (await site.model())["status"]["delivery"]["stable"] == candidate


async def test_promote_against_the_evidence_is_refused_with_the_reason_until_forced(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start(onFailure="Pause")
    candidate = await site.ask_for(BETTER)
    site.metrics.behave(site.cluster(candidate), error_rate=0.4)
    await site.until("Paused")
    refused = await tidegate("promote", "flights")
    assert (refused.code, refused.out) == (1, "")
    assert "Ignored: the evidence is against it" in refused.err
    assert "`tidegate promote flights --force`" in refused.err
    assert (await tidegate("promote", "flights", "--force")).code == 0
    await site.until("Healthy")


@pytest.mark.scenario("AB-02")
@pytest.mark.parametrize("verb", ["abort", "promote", "pause", "resume", "skip"])
async def test_a_verb_with_nothing_under_way_is_refused_before_anything_is_written(
    site: Site, tidegate: Tidegate, verb: str
) -> None:
    await site.start()
    ran = await tidegate(verb, "flights")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: NothingToDo: flights has nothing to {verb}: no attempt is under way,"
        " phase is Healthy\n"
    )
    assert "annotations" not in (await site.rollout())["metadata"]


async def test_retry_of_what_was_not_rejected_is_the_engines_to_refuse(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    ran = await tidegate("retry", "flights", "-o", "json")
    assert ran.code == 1
    assert ran.document["result"] == "Ignored: the Model's latest revision was not rejected"


async def test_a_command_that_was_not_answered_is_not_overwritten(
    site: Site, tidegate: Tidegate
) -> None:
    await under_way(site)
    text = '{"id": "1", "verb": "pause", "by": "bob"}'
    await annotate(site, text)
    ran = await tidegate("abort", "flights", operator=False)
    assert ran.code == 1
    assert "CommandWaiting: flights has not answered the command before (pause by bob, " in ran.err
    assert "kubectl annotate -n demo rollouts.tidegate.dev/flights tidegate.dev/command-" in ran.err
    assert (await site.rollout())["metadata"]["annotations"]["tidegate.dev/command"] == text
    await site.harness.settle()
    assert (await tidegate("abort", "flights")).code == 0


async def test_without_an_operator_the_wait_ends_and_the_command_stays(
    site: Site, tidegate: Tidegate
) -> None:
    await under_way(site)
    ran = await tidegate("abort", "flights", "--timeout", "0.3", operator=False)
    assert (ran.code, ran.out) == (124, "")
    assert "not answered yet" in ran.err
    assert "error: Timeout: no answer within 0.3 s" in ran.err
    await site.until("Degraded")


async def test_without_waiting_it_is_only_sent(site: Site, tidegate: Tidegate) -> None:
    await under_way(site)
    ran = await tidegate("pause", "flights", "--no-wait", "-o", "json", operator=False)
    assert (ran.code, ran.err, ran.document["result"]) == (0, "", None)
    assert ran.document["command"]["verb"] == "pause"
    await site.harness.settle()
    assert (await site.rollout())["status"]["lastCommand"]["id"] == ran.document["command"]["id"]


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_the_result_is_there_for_programs(site: Site, tidegate: Tidegate, form: str) -> None:
    await under_way(site)
    ran = await tidegate("pause", "flights", "-o", form)
    assert ran.code == 0
    assert ("result: Done" in ran.out) if form == "yaml" else (ran.document["result"] == "Done")


async def test_names_that_mean_nothing_are_told_with_those_that_do(
    site: Site, tidegate: Tidegate
) -> None:
    await under_way(site)
    unknown = await tidegate("abort", "fligths")
    assert unknown.code == 1
    assert "no Rollout fligths" in unknown.err
    assert "there are: flights" in unknown.err
    away = await tidegate("abort", "flights", "--context", "away")
    assert "namespace away; there is none in it" in away.err
    here = await tidegate("abort", "rollout/flights", "--context", "away", "-n", NAMESPACE)
    assert here.code == 0


async def test_a_name_that_means_two_rollouts_has_to_be_said_in_full(
    site: Site, tidegate: Tidegate
) -> None:
    await under_way(site)
    other = rollout(modelRef={"name": "another"})
    other["metadata"]["name"] = NAME
    await site.kube.put(other)
    ran = await tidegate("abort", NAME)
    assert ran.code == 1
    assert f"say rollout/{NAME} or model/{NAME}" in ran.err
    assert (await tidegate("abort", f"model/{NAME}")).code == 0


async def test_a_rollout_that_nobody_obeys_is_not_sent_to(site: Site, tidegate: Tidegate) -> None:
    await site.start()
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    ran = await tidegate("retry", "flights")
    assert ran.code == 1
    assert "RolloutNotActing: nobody obeys Rollout flights: " in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("abort",),
        ("abort", "flights", "--force"),
        ("abort", "flights", "--timeout", "soon"),
        ("abort", "flights", "-o", "table"),
    ],
)
async def test_a_wrong_command_line_is_exit_code_2(
    tidegate: Tidegate, arguments: tuple[str, ...]
) -> None:
    assert (await tidegate(*arguments)).code == 2


@pytest.mark.parametrize("verb", ["abort", "promote", "retry", "pause", "resume", "skip"])
async def test_the_help_says_what_the_exit_codes_mean(tidegate: Tidegate, verb: str) -> None:
    ran = await tidegate(verb, "--help")
    assert ran.code == 0
    assert "124 no answer" in " ".join(ran.out.split())


async def test_a_kubeconfig_that_is_not_there_is_told(tidegate: Tidegate) -> None:
    ran = await tidegate("abort", "flights", "--kubeconfig", "/nonexistent/config")
    assert ran.code == 1
    assert ran.err == "error: KubeconfigInvalid: there is no file /nonexistent/config\n"
