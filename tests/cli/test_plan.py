"""`tidegate plan`: what would be done now, what manifests would begin, and how it exits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site, model, rollout

from tidegate.errors import Invalid
from tidegate.kube.objects import name_of
from tidegate.kube.resources import MODELS, ROLLOUTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tidegate

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

BETTER = "https://models/v2"


def manifest(folder: Path, *objects: dict[str, Any]) -> str:
    """A file of manifests."""
    file = folder / "manifests.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in objects))
    return str(file)


async def test_at_rest_nothing_is_to_be_done(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    await site.start()
    before = len(site.kube.transport.writes)
    ran = await tidegate("plan", operator=False)
    assert (ran.code, ran.err) == (0, "")
    assert "Model demo/flight-delay, Rollout flights" in ran.out
    assert "stays Healthy" in ran.out
    assert "Nothing is to be done." in ran.out
    same = manifest(tmp_path, model(), rollout())
    ran = await tidegate("plan", "-f", same, operator=False)
    assert ran.code == 0
    assert "edit" not in ran.out
    assert len(site.kube.transport.writes) == before


async def test_a_new_artifact_begins_an_attempt(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    stable = await site.start()
    ran = await tidegate("plan", "-f", manifest(tmp_path, model(BETTER)), operator=False)
    assert ran.code == 2
    assert "a new revision: flight-delay-" in ran.out
    assert "Healthy → Starting, AttemptStarted: attempt 1: flight-delay-" in ran.out
    assert "Plan: 1 of 1 deliveries would change." in ran.out
    assert (await site.model())["status"]["latestRevision"] == stable


async def test_a_version_that_has_to_pass_something_does_not_come_in_at_once(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    await site.start()
    gates = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]
    governed = model(BETTER, gates=gates, approval={"groups": ["ml-leads"]})
    ran = await tidegate("plan", "-f", manifest(tmp_path, governed), operator=False)
    assert ran.code == 2
    assert (
        "before it comes in, it has to pass its gates (auc), then a member of ml-leads has to"
        " approve it" in ran.out
    )
    assert "AttemptStarted" not in ran.out
    assert "  waits      flight-delay-" in ran.out


async def test_an_edit_says_whether_the_evidence_is_kept(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    kept = await tidegate("plan", "-f", manifest(tmp_path, rollout(deadline="3h")), operator=False)
    assert kept.code == 2
    assert "deadline: 2h → 3h: applied in place; the evidence is kept" in kept.out
    steps = {"canary": {"steps": [{"weight": 10, "duration": "20s"}]}}
    lost = await tidegate(
        "plan", "-f", manifest(tmp_path, rollout(strategy=steps)), "-o", "json", operator=False
    )
    assert lost.code == 2
    (planned,) = lost.document
    assert planned["reason"] == "Superseded"
    assert "its evidence is dropped" in planned["manifests"][0]["meaning"]


async def test_edits_are_shown_value_by_value_as_terraform_does(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    await site.start()
    steps = {"canary": {"steps": [{"weight": 10, "duration": "20s"}]}}
    ran = await tidegate(
        "plan", "-f", manifest(tmp_path, rollout(strategy=steps, deadline="3h")), operator=False
    )
    shown = [line.rstrip() for line in ran.out.splitlines()]
    begins = next(n for n, line in enumerate(shown) if line.startswith("  edit"))
    ends = next(n for n, line in enumerate(shown) if line.startswith("  decision"))
    assert shown[begins:ends] == [
        "  edit       deadline: 2h → 3h: applied in place; the evidence is kept",
        "  edit       part of the attempt's key: counts from the next attempt on",
        "             ~ strategy.canary.steps[0].weight: 5 → 10",
        "             - strategy.canary.steps[1].duration: 20s",
        "             - strategy.canary.steps[1].weight: 25",
        "             - strategy.canary.steps[2].duration: 20s",
        "             - strategy.canary.steps[2].weight: 50",
    ]
    gates = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]
    given = model(gates=gates, scaling={"minReplicas": 2, "maxReplicas": 4})
    ran = await tidegate("plan", "-f", manifest(tmp_path, given), operator=False)
    assert "  edit       applied in place; no new revision\n" in ran.out
    assert "+ gates[auc].min: 0.65\n" in ran.out
    assert "{" not in ran.out


async def test_a_batch_that_is_due_is_not_looked_at_without_prometheus(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    await site.flow()
    await site.kube.clock.advance(20)
    ran = await tidegate("plan", NAME, operator=False)
    assert "the batch that is due was not looked at: give --prometheus URL" in ran.out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no YAML or JSON file"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x}", "no Model and no Rollout"),
        (json.dumps({**rollout(), "metadata": {}}), "without metadata.name"),
        (json.dumps(rollout(deadline="soon")), "Rollout flights: spec.deadline"),
        (json.dumps(rollout(modelRef={"name": "nothing"})), "names Model nothing"),
    ],
)
async def test_manifests_that_are_wrong_are_errors(
    site: Site, tidegate: Tidegate, tmp_path: Path, text: str, says: str
) -> None:
    await site.kube.put(model())
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    ran = await tidegate("plan", "-f", str(file), operator=False)
    assert ran.code == 1
    assert says in ran.err


@pytest.mark.parametrize(
    ("res", "edited", "says"),
    [
        (MODELS, model(backend="KServe", traffic=None), "backend cannot be changed"),
        (ROLLOUTS, rollout(modelRef={"name": "other"}), "modelRef cannot be changed"),
    ],
)
async def test_what_cannot_be_changed_is_refused_in_the_servers_words(
    site: Site, tidegate: Tidegate, tmp_path: Path, res: Resource, edited: Object, says: str
) -> None:
    await site.start()
    edited["spec"] = {name: one for name, one in edited["spec"].items() if one is not None}
    live = await site.kube.user.get(res, name_of(edited), namespace=NAMESPACE)
    with pytest.raises(Invalid) as refused:
        await site.kube.user.replace(res, {**live, "spec": edited["spec"]}, manager="user")
    ran = await tidegate("plan", "-f", manifest(tmp_path, edited), operator=False)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert ran.err.removeprefix("error: ManifestInvalid: ").rstrip() in str(refused.value)


async def test_a_field_that_does_not_exist_is_pointed_out(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    await site.start()
    odd = rollout()
    odd["spec"]["analysis"]["intervall"] = "5s"
    ran = await tidegate("plan", "-f", manifest(tmp_path, odd), operator=False)
    assert ran.code == 0
    assert "unknown field, would be dropped: spec.analysis.intervall" in ran.out


async def test_names_mean_rollouts_and_models(site: Site, tidegate: Tidegate) -> None:
    await site.start()
    for name in ("flights", NAME, "rollout/flights", f"model/{NAME}"):
        planned = (await tidegate("plan", name, "-o", "json", operator=False)).document
        assert [(each["model"], each["namespace"]) for each in planned] == [(NAME, NAMESPACE)]
    missing = await tidegate("plan", "nothing", operator=False)
    assert missing.code == 1
    assert "there is no Rollout and no Model nothing" in missing.err


STATES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a pause": {"spec": {"paused": True}},
    "other steps": {"spec": {"strategy": {"canary": {"steps": [{"weight": 1}]}}}},
    "another margin": {"spec": {"analysis": {"falseRollbackRate": 0.02}}},
    **{
        verb: {
            "metadata": {
                "annotations": {"tidegate.dev/command": json.dumps({"id": "1", "verb": verb})}
            }
        }
        for verb in ("abort", "promote", "pause", "skip", "retry")
    },
}


@pytest.mark.scenario("ST-05")
@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
async def test_the_controller_then_does_what_was_planned(
    site: Site, tidegate: Tidegate, change: dict[str, Any]
) -> None:
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Progressing")
    if change:
        await site.kube.user.patch(ROLLOUTS, "flights", change, namespace=NAMESPACE, manager="user")
    before = len(site.kube.transport.writes)
    (planned,) = (await tidegate("plan", NAME, "-o", "json", operator=False)).document
    assert len(site.kube.transport.writes) == before
    was = await site.rollout()
    site.harness.wake_all()
    await site.harness.settle()
    found = await site.rollout()
    fresh = found["status"]["history"][: -len(was["status"]["history"])]
    done = [(entry["from"], entry["to"], entry["reason"]) for entry in reversed(fresh)]
    foreseen = [(e["from"], e["to"], e["reason"]) for e in planned["transitions"]]
    assert done[: len(foreseen)] == foreseen
    assert bool(done) == bool(foreseen)
