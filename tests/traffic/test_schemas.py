"""What providers render is what the kinds' own schemas accept, without a field too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.schema.published import differences, published, schema_of
from tests.traffic.routings import ROUTINGS, envoy_gateway, gateway_api, istio, rendered

from tidegate.controllers.children import covers
from tidegate.kube.resources import CRDS, resource
from tidegate.local.schema.defaulting import default, prune
from tidegate.local.schema.validation import validate
from tidegate.testing import istio as istio_kinds
from tidegate.testing.apiserver import Asker
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.traffic.base import TrafficProvider

type Obj = dict[str, Any]

PROVIDERS = {
    "gatewayAPI": gateway_api(path="/v2"),
    "gatewayAPI of two": gateway_api(parentRefs=[{"name": "a"}, {"name": "b", "sectionName": "h"}]),
    "envoy gateway": envoy_gateway(),
    "istio": istio(path="/v2"),
    "istio in the mesh": istio(gateways=["mesh", "public"], hosts=["*.example", "a.b"]),
}
ISTIO = "istio_all.yaml"


@pytest.fixture(scope="module")
def definitions() -> list[Obj]:
    """Istio's own where they are at hand, ours otherwise."""
    ours = istio_kinds.definitions()
    theirs = [published(ISTIO, one["spec"]["names"]["kind"]) for one in ours]
    return [their or our for their, our in zip(theirs, ours, strict=True)]


@pytest.fixture
async def kube(definitions: list[Obj]) -> AsyncIterator[FakeKube]:
    async with FakeKube.start(namespace="default") as kube:
        for definition in definitions:
            await kube.user.apply(CRDS, definition, manager="setup")
        await kube.clock.rest()
        yield kube


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
async def test_a_server_takes_every_route_strictly(
    kube: FakeKube, provider: TrafficProvider
) -> None:
    ask = Asker(kube.api)
    for what, routing in ROUTINGS.items():
        for obj in rendered(provider, routing):
            del obj["metadata"]["ownerReferences"]  # without its owner it would be collected
            res = resource(obj["apiVersion"], obj["kind"])
            path = res.path("default", obj["metadata"]["name"])
            answer = await ask.apply(path, obj, manager="tidegate", fieldValidation="Strict")
            assert answer.status in (200, 201), (what, answer.body)
            assert "warning" not in {name.lower() for name in answer.headers}
            again = await ask.apply(path, obj, manager="tidegate", fieldValidation="Strict")
            version = answer.body["metadata"]["resourceVersion"]
            assert again.body["metadata"]["resourceVersion"] == version
            assert covers(answer.body, obj), "the operator would write it again and again"


@pytest.mark.parametrize("what", ROUTINGS)
def test_the_published_schema_takes_every_http_route(what: str) -> None:
    theirs = published("gateway.networking.k8s.io_httproutes.yaml", "HTTPRoute")
    if theirs is None:
        return  # said aloud; the server of the test above knows the kind by our own schema
    schema = schema_of(theirs)
    for provider in (
        PROVIDERS[name] for name in ("gatewayAPI", "gatewayAPI of two", "envoy gateway")
    ):
        route = rendered(provider, ROUTINGS[what])[-1]
        pruned, unknown = prune(schema, route)
        assert unknown == []
        assert validate(schema, default(schema, pruned)) == []


@pytest.mark.parametrize("kind", istio_kinds.SCHEMAS)
def test_our_schema_of_istios_kinds_says_nothing_that_istios_contradicts(kind: str) -> None:
    ours, theirs = istio_kinds.SCHEMAS[kind], published(ISTIO, kind)
    assert differences(ours, ours if theirs is None else schema_of(theirs), kind) == []
