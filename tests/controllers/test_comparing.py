"""The comparer of predictions: it runs while requests are mirrored and a metric asks, no longer."""

from __future__ import annotations

from typing import Any

from tests.controllers.site import NAMESPACE, Site

from tidegate.kube.resources import DEPLOYMENTS, PODS
from tidegate.specs.metadata import MANAGED_BY, MODEL_LABEL, REVISION_LABEL

COMPARER = "flight-delay-comparer"
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
AGREE = {"name": "agree", "type": "Disagreement", "tolerance": 1e-6, "max": 0.02}


def shadowed(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "strategy": {"shadow": {"percent": 100}},
        "analysis": {"interval": "5s", "warmup": "10s", "metrics": list(metrics)},
    }


async def add_pod(site: Site, revision: str, *, address: str) -> None:
    """A pod of a revision at an address."""
    labels = {**MANAGED_BY, MODEL_LABEL: "flight-delay", REVISION_LABEL: revision}
    pod = await site.kube.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{revision}-x", "namespace": NAMESPACE, "labels": labels},
            "spec": {"containers": [{"name": "server", "image": "image"}]},
        }
    )
    await site.kube.set_status(pod, {"phase": "Running", "podIP": address})


async def environment(site: Site) -> dict[str, str]:
    """What the comparer is told."""
    found = await site.kube.user.get(DEPLOYMENTS, COMPARER, namespace=NAMESPACE)
    container = found["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


async def test_it_is_told_both_arms_and_where_their_pods_are(site: Site) -> None:
    stable = await site.start(**shadowed(ERRORS, AGREE))
    await add_pod(site, stable, address="10.0.0.1")
    candidate = await site.ask_for("https://models/v2")
    await add_pod(site, candidate, address="10.0.0.2")
    await site.pass_time(seconds=30)
    told = await environment(site)
    assert (told["TIDEGATE_STABLE"], told["TIDEGATE_STABLE_HOSTS"]) == (stable, "10.0.0.1")
    assert (told["TIDEGATE_CANDIDATE"], told["TIDEGATE_CANDIDATE_HOSTS"]) == (candidate, "10.0.0.2")
    assert float(told["TIDEGATE_TOLERANCE"]) == 1e-6


async def test_it_goes_when_nothing_is_mirrored_any_more(site: Site) -> None:
    stable = await site.start(**shadowed(ERRORS, AGREE))
    await add_pod(site, stable, address="10.0.0.1")
    candidate = await site.ask_for("https://models/v2")
    await add_pod(site, candidate, address="10.0.0.2")
    await site.pass_time(seconds=30)
    assert COMPARER in await site.deployments()
    await site.command("abort")
    await site.until("Degraded")
    assert COMPARER not in await site.deployments()
    assert len((await site.kube.user.list(PODS, namespace=NAMESPACE)).items) >= 2


async def test_without_a_metric_that_asks_for_it_there_is_none(site: Site) -> None:
    stable = await site.start(**shadowed(ERRORS))
    await add_pod(site, stable, address="10.0.0.1")
    candidate = await site.ask_for("https://models/v2")
    await add_pod(site, candidate, address="10.0.0.2")
    await site.pass_time(seconds=30)
    assert COMPARER not in await site.deployments()
