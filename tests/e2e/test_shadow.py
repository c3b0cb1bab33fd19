"""Mirrored requests through the real gateway: the copy has the id, and the comparer pairs them.

The objects are those that a rollout makes, put up by hand, so that nothing else moves meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from tests.e2e.objects import GATEWAY_NAMESPACE, SIGNATURE, hostname, namespace
from tests.e2e.stage import E2E, eventually

from tidegate import __version__
from tidegate.api.model import ModelSpec
from tidegate.api.traffic import GatewayAPI
from tidegate.domain.route import Detours, Mirror, Routing
from tidegate.kube.resources import CONFIGMAPS, PODS
from tidegate.specs.comparer import ComparedArm, comparer, comparer_name
from tidegate.specs.container import PodFacts
from tidegate.specs.deployment import first_deployment
from tidegate.specs.metadata import Parent
from tidegate.specs.pod import pod_template
from tidegate.specs.service import revision_service
from tidegate.traffic.gateway_api import GatewayAPIProvider

if TYPE_CHECKING:
    from tests.e2e.stage import Obj, Stage
    from tests.e2e.versions import Artifact

pytestmark = E2E

WHERE, MODEL = "shadowed", "weather"
STABLE, CANDIDATE = f"{MODEL}-1", f"{MODEL}-2"
IMAGE = f"tidegate/runtime-v2:{__version__}"


def arm(parent: Parent, revision: str, artifact: Artifact) -> list[Obj]:
    """The Deployment and the Service of a revision."""
    spec = ModelSpec.model_validate(
        {
            "artifact": {"uri": artifact.uri, "format": "sklearn-skops"},
            "runtime": {"v2": {}},
            "signature": SIGNATURE,
        }
    )
    facts = PodFacts(
        model=MODEL,
        namespace=WHERE,
        revision=revision,
        image=IMAGE,
        server_image=IMAGE,
        location=artifact.uri,
        sha256=artifact.sha256,
        size_limit_bytes=2**30,
        cache_claim=None,
    )
    template = pod_template(spec, facts)
    return [
        first_deployment(parent, revision=revision, pod_template=template),
        revision_service(parent, revision=revision),
    ]


def mirrored_route(parent: Parent) -> Obj:
    """Everything to stable, and a copy of everything to the candidate."""
    gateway = {"name": "public", "namespace": GATEWAY_NAMESPACE}
    spec = GatewayAPI.model_validate({"parentRefs": [gateway], "hostnames": [hostname(WHERE)]})
    routing = Routing({STABLE: 100}, Detours(mirror=Mirror(CANDIDATE)))
    (route,) = GatewayAPIProvider(spec).render(parent, routing=routing, attempt=1)
    # Without our labels: the operator would take it for one that a deleted Model has left behind.
    route["metadata"] = {"name": "mirrored", "namespace": WHERE}
    return route


async def address(stage: Stage, revision: str) -> str:
    """Of the pod that serves a revision."""
    label = f"tidegate.dev/revision={revision}"
    found = await stage.client.list(PODS, namespace=WHERE, label_selector=label)
    (pod,) = found.items
    return str(pod["status"]["podIP"])


async def counted(stage: Stage) -> dict[str, float]:
    """The comparer's counters, as Prometheus has them: by name, and by the label of their own."""
    url = f"{stage.plan.prometheus_url}/api/v1/query"
    query = f'{{__name__=~"tidegate_shadow_.*", namespace="{WHERE}", model="{MODEL}"}}'
    async with stage.http.get(url, params={"query": query}) as answer:
        document: Any = orjson.loads(await answer.read())
    found = {}
    for one in document["data"]["result"]:
        labels = one["metric"]
        assert (labels["stable"], labels["candidate"]) == (STABLE, CANDIDATE)
        own = [labels[name] for name in ("arm", "failed", "output", "reason") if name in labels]
        name = labels["__name__"].removeprefix("tidegate_shadow_")
        found[" ".join([name, *own])] = float(one["value"][1])
    return found


async def test_copies_are_paired_with_their_originals_and_counted(stage: Stage) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap"}
    await stage.apply(
        *namespace(WHERE), {**owner, "metadata": {"name": "owner", "namespace": WHERE}}
    )
    uid = (await stage.client.get(CONFIGMAPS, "owner", namespace=WHERE))["metadata"]["uid"]
    parent = Parent(MODEL, WHERE, {**owner, "name": "owner", "uid": uid})
    await stage.apply(
        *arm(parent, STABLE, stage.artifacts["good"]),
        *arm(parent, CANDIDATE, stage.artifacts["broken"]),
        mirrored_route(parent),
    )
    for deployment in (STABLE, CANDIDATE):
        await stage.kubectl("rollout", "status", f"deployment/{deployment}", "-n", WHERE)
    await stage.apply(
        comparer(
            parent,
            stable=ComparedArm(STABLE, [await address(stage, STABLE)]),
            candidate=ComparedArm(CANDIDATE, [await address(stage, CANDIDATE)]),
            tolerance=1e-6,
            image=IMAGE,
        )
    )
    await stage.kubectl("rollout", "status", f"deployment/{comparer_name(MODEL)}", "-n", WHERE)
    seen: dict[str, float] = {}

    async def reads_both() -> bool:
        nonlocal seen
        seen = await counted(stage)
        return seen.get("pods stable") == seen.get("pods candidate") == 1

    await eventually(reads_both, saw=lambda: str(seen))
    # What the load sends without a value is a failure of the candidate's alone.
    async with stage.load(WHERE, rate=40, missing=4).flowing() as load:

        async def asked() -> bool:
            return load.served(STABLE) >= 80

        await eventually(asked, saw=load.story)
    sent = load.served(STABLE)

    async def all_counted() -> bool:
        nonlocal seen
        seen = await counted(stage)
        return seen["pairs_total"] + seen["error_pairs_total candidate"] == sent

    await eventually(all_counted, saw=lambda: f"{seen} of {sent}")
    assert load.untouched(STABLE), load.story()
    assert seen["error_pairs_total candidate"] == len(range(0, sent, 4))
    assert seen["disagree_total"] == 0
    assert seen["difference_count_total probability"] == seen["pairs_total"]
    unpaired = {name: n for name, n in seen.items() if name.startswith("unpaired") and n}
    assert unpaired == {}
