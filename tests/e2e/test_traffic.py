"""Istio on a running cluster: without its kinds, with them, and with a route that is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.objects import condition, model, namespace
from tests.e2e.stage import E2E, Stage

from tidegate.kube.resources import VIRTUALSERVICES
from tidegate.testing import istio

if TYPE_CHECKING:
    from tests.e2e.objects import Obj

pytestmark = E2E
WHERE = "istio"


def weights(route: Obj) -> list[int]:
    return [to["weight"] for http in route["spec"]["http"] for to in http["route"]]


@pytest.mark.timeout(400)
async def test_istio_may_be_installed_late_and_its_routes_are_watched(stage: Stage) -> None:
    asked: Obj = model(WHERE, stage.artifacts["good"].uri, delivery="Direct")
    asked["spec"]["traffic"] = {"istio": {"gateways": ["public"], "hosts": ["istio.example"]}}
    await stage.apply(*namespace(WHERE), asked)
    ready = await stage.until_ready_is("TrafficKindNotServed", WHERE)
    assert "install Istio" in ready["message"]
    await stage.apply(*istio.definitions())
    try:
        await stage.kubectl(
            "wait", "models.tidegate.dev/weather", "-n", WHERE,
            "--for=condition=Ready", "--timeout=60s",
        )  # fmt: skip
        route = await stage.until(lambda found: weights(found) == [100], VIRTUALSERVICES, WHERE)
        route["spec"]["http"][0]["route"][0]["weight"] = 1
        await stage.client.replace(VIRTUALSERVICES, route, manager="hand")
        generation = route["metadata"]["generation"]
        await stage.until(
            lambda found: weights(found) == [100] and found["metadata"]["generation"] > generation,
            *(VIRTUALSERVICES, WHERE),
        )
        found = await stage.model(WHERE)
        assert condition(found, "Ready")["status"] == "True"
        await stage.kubectl("delete", "models.tidegate.dev", "weather", "-n", WHERE)
    finally:
        for definition in istio.definitions():
            await stage.kubectl("delete", "crd", definition["metadata"]["name"])
