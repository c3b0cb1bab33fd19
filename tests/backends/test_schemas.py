"""What backends render is what their kinds' own schemas accept, without a field too many."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from tests.backends.rendered import KSERVE, SELDON, WANTED, rendered
from tests.local.schema.published import differences, published, schema_of

from tidegate.controllers.children import covers
from tidegate.kube.resources import CRDS, resource
from tidegate.testing import kserve, seldon
from tidegate.testing.apiserver import Asker
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.backends.base import Backend

type Obj = dict[str, Any]

FILES = {
    "SeldonDeployment": "machinelearning.seldon.io_seldondeployments.yaml",
    "KServe": "serving.kserve.io_inferenceservices.yaml",
}
OURS = {"SeldonDeployment": seldon.seldon_definition(), "KServe": kserve.kserve_definition()}
BACKENDS = {backend.name: backend for backend in (SELDON, KSERVE)}


def installable(definition: Obj, version: str) -> Obj:
    """A published definition, in the one version that Tidegate writes.

    Seldon's has `items: {}` for the children of a graph, which no API server takes as structural:
    those who install it have it replaced, and so does this. Nothing of ours is below it.
    """
    mended = copy.deepcopy(definition)
    spec = mended["spec"]
    spec["versions"] = [one for one in spec["versions"] if one["name"] == version]
    spec["versions"][0] |= {"storage": True, "served": True}
    spec.pop("conversion", None)
    for node in _nodes(spec["versions"][0]["schema"]):
        if node.get("items") == {}:
            node["items"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return mended


def _nodes(node: Any) -> list[Obj]:
    below = list(node.values()) if isinstance(node, dict) else node
    found = [node] if isinstance(node, dict) else []
    for one in below if isinstance(below, list) else ():
        if isinstance(one, dict | list):
            found += _nodes(one)
    return found


@pytest.fixture(scope="module")
def definitions() -> dict[str, Obj]:
    """The backends' own where they are at hand, ours otherwise."""
    found = {}
    for name, backend in BACKENDS.items():
        version, kind = backend.kind[0].rpartition("/")[2], backend.kind[1]
        theirs = published(FILES[name], kind)
        found[name] = OURS[name] if theirs is None else installable(theirs, version)
    return found


@pytest.fixture
async def kube(definitions: dict[str, Obj]) -> AsyncIterator[FakeKube]:
    async with FakeKube.start(namespace="default") as kube:
        for definition in definitions.values():
            await kube.user.apply(CRDS, definition, manager="setup")
        await kube.clock.rest()
        yield kube


@pytest.mark.timeout(170)  # the published definitions are four megabytes of YAML
async def test_a_server_takes_every_object_strictly(kube: FakeKube) -> None:
    ask = Asker(kube.api)
    for backend in BACKENDS.values():
        path = resource(*backend.kind).path("default", "m")
        for what in WANTED:
            obj = rendered(backend, what)
            del obj["metadata"]["ownerReferences"]  # without its owner it would be collected
            answer = await ask.apply(path, obj, manager="tidegate", fieldValidation="Strict")
            assert answer.status in (200, 201), (what, answer.body)
            assert "warning" not in {name.lower() for name in answer.headers}
            again = await ask.apply(path, obj, manager="tidegate", fieldValidation="Strict")
            version = answer.body["metadata"]["resourceVersion"]
            assert again.body["metadata"]["resourceVersion"] == version
            assert covers(answer.body, obj), "the operator would write it again and again"
            seen = backend.observe(answer.body, [])
            assert seen.route.weights == {name: weight for name, weight, _ in WANTED[what]}
            assert seen.sizes == {name: pods for name, _, pods in WANTED[what]}


@pytest.mark.parametrize("name", BACKENDS)
def test_our_schema_says_nothing_that_theirs_contradicts(name: str) -> None:
    backend: Backend = BACKENDS[name]
    version, kind = backend.kind[0].rpartition("/")[2], backend.kind[1]
    ours = {k: v for k, v in schema_of(OURS[name], version)["properties"].items() if k == "spec"}
    theirs = published(FILES[name], kind)
    if theirs is not None:
        all_of_theirs = schema_of(theirs, version)["properties"]
        assert differences(ours["spec"], all_of_theirs["spec"], kind) == []
