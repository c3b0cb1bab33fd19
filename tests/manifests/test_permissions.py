"""The operator's rights are exactly what it uses: no request is refused, no right lies idle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from tests.controllers.backed import BACKENDS, BackedSite, backed_site
from tests.controllers.site import NAME, NAMESPACE, Site, model, rollout, sha
from tests.controllers.test_training import CRON_JOB
from tests.trainers.test_jobs import TRAIN_JOB, TRAIN_JOBS

from tidegate.api.record_status import OpenRecord
from tidegate.controllers.archive import KEPT
from tidegate.kube.resources import (
    CRDS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    MODELS,
    NETWORKPOLICIES,
    Resource,
)
from tidegate.runtime.process import connect
from tidegate.specs.metadata import Parent
from tidegate.specs.record import open_selector, record_head, selector
from tidegate.testing import istio
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE = Path(__file__).parents[2] / "manifests" / "base"
PATH = re.compile(
    r"^(?:/api/v1|/apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/[^/]+)?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)
VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}

type Right = tuple[str, str, str]
"""(API group, resource or resource/subresource, verb)"""

HOST_RIGHTS: set[Right] = {
    # kopf looks at the definitions of what it watches
    *((CRDS.group, CRDS.plural, verb) for verb in ("list", "watch")),
    # what a cluster asks for that checks who may block the deletion of an owner
    (MODELS.group, "models/finalizers", "update"),
    # the Services of new callers, which only a test of several arms has (tests/controllers)
    (ENDPOINTSLICES.group, ENDPOINTSLICES.plural, "list"),
    # where an installation turns them off, those that were made go (tests/controllers)
    (NETWORKPOLICIES.group, NETWORKPOLICIES.plural, "delete"),
    # an event that is told again becomes a series
    (EVENTS.group, EVENTS.plural, "patch"),
}


def granted(file: str) -> set[Right]:
    """Every right that a role of the manifests grants."""
    role: Any = YAML(typ="safe").load(BASE / file)
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def right_of(method: str, path: str) -> Right:
    """The right that a request needs."""
    found = PATH.match(path)
    assert found is not None, path
    resource = found["plural"] + (f"/{found['sub']}" if found["sub"] else "")
    verb = VERBS.get(method) or ("get" if found["name"] else "list")
    return (found["group"] or "", resource, verb)


def applied(right: Right) -> set[Right]:
    """Applying an object creates it where it is absent, and the API server asks for that right."""
    group, resource, verb = right
    return {(group, resource, "create")} if verb == "patch" and "/" not in resource else set()


def watch_rights(resources: Iterable[Resource]) -> set[Right]:
    """What the cache needs of every kind that wakes a controller."""
    return {(res.group, res.plural, verb) for res in resources for verb in ("list", "watch")}


GATEWAY = model()["spec"]["traffic"]


async def _deliveries(site: Site) -> None:
    """A promotion, a rollback, each traffic provider and a deletion, with and without an
    autoscaler."""
    for definition in istio.definitions():
        await site.kube.put(definition, manager="setup")
    elastic = {"minReplicas": 1, "maxReplicas": 3}
    await _old_records(site)
    await site.start(rollbackWindow={"duration": "30s"}, keepFailed="10s")
    await site.kube.put(model("https://models/v2", scaling=elastic))
    await site.harness.settle()
    await site.until("Progressing")
    await site.until("Healthy")
    await site.pass_time(minutes=2)
    # the same size from now on: the autoscalers go
    new = await site.ask_for("https://models/v3")
    site.metrics.behave(site.cluster(new), error_rate=0.3)
    await site.until("Degraded")
    await site.pass_time(minutes=2)
    await site.ask_for("https://models/v1")  # its revision comes back, with the next number
    for number in range(4):  # more revisions than are kept
        spec: dict[str, Any] = {
            "revisionHistoryLimit": 0,
            "artifact": artifact(f"https://models/more{number}"),
        }
        await site.kube.put(model(**spec))
        await site.harness.settle()
        await site.pass_time(seconds=40)
    await _meddle(site)
    for traffic in ({"istio": {"gateways": ["public"], "hosts": ["a.example"]}}, GATEWAY):
        await site.kube.put(model(delivery="Direct", traffic=traffic))
        await site.harness.settle()
    await _trainings(site)
    within = model(delivery="Direct")
    del within["spec"]["traffic"]
    await site.kube.put(within)
    await site.harness.settle()
    await site.kube.user.delete(MODELS, "flight-delay", namespace=NAMESPACE)
    await site.harness.settle()


async def _trainings(site: Site) -> None:
    """A training of each kind that the cluster runs, each stopped because it takes too long."""
    await site.kube.put(TRAIN_JOBS, manager="setup")
    await site.kube.put(CRON_JOB)
    await site.kube.put(TRAIN_JOB)
    for number, kind in enumerate(("cronJobRef", "trainJobRef")):
        training = {"jobFrom": {kind: {"name": "retrain"}}, "timeout": "1m", "retries": 0}
        document = model(delivery="Direct", training=training)
        document["metadata"]["annotations"] = {"tidegate.dev/retrain": f'{{"id": "{number}"}}'}
        await site.kube.put(document)
        await site.harness.settle()
        await site.pass_time(minutes=2)


async def _old_records(site: Site) -> None:
    """As many decision records as are kept, of attempts long ago: the next one is too many."""
    for number in range(KEPT):
        head = record_head(
            Parent(NAME, NAMESPACE, {}), OpenRecord(name=f"old-{number}", attempt=1), rollout="old"
        )
        del head["metadata"]["ownerReferences"]
        await site.kube.put(head)


async def _meddle(site: Site) -> None:
    """Somebody changes a Deployment of ours by hand; it is put back."""
    for deployment in (await site.kube.user.list(DEPLOYMENTS, namespace=NAMESPACE)).items:
        await site.kube.edit(deployment, template={"spec": {"terminationGracePeriodSeconds": 1}})
    await site.harness.settle()


def artifact(uri: str) -> dict[str, str]:
    """The artifact section of a Model."""
    return {"uri": uri, "format": "sklearn-skops", "sha256": sha(uri)}


async def _backed_deliveries(site: BackedSite) -> None:
    """A first revision that fails, and one that serves, by a backend."""
    await site.kube.put(site.model_of("https://models/v1"))
    await site.harness.settle()
    first = str((await site.model())["status"]["latestRevision"])
    site.harness.world.fail(site.deployment(first), message="exit code 1")
    await site.kube.put(rollout(keepFailed="10s"))
    await site.pass_time(seconds=30)
    await site.ask_for("https://models/v2")
    await site.until("Healthy")


async def test_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube)
        await _deliveries(site)
        used = {right_of(sent.method, sent.path) for sent in kube.transport.sent}
        gets = [sent for sent in kube.transport.sent if sent.method == "GET"]
        listed = [sent for sent in gets if sent.path.endswith("/configmaps")]
        assert {sent.params.get("labelSelector") for sent in listed} == {
            selector(NAME),
            open_selector(NAME),
        }
        for backend in BACKENDS:
            async with backed_site(backend) as backed:
                await _backed_deliveries(backed)
                used |= {right_of(sent.method, sent.path) for sent in backed.kube.transport.sent}
        used |= {more for right in used if right[1] != "events" for more in applied(right)}
        watched = connect(site.harness.controllers, site.harness.cache)
    needed = used | watch_rights(entry.res for entry in watched) | HOST_RIGHTS
    rights = granted("clusterrole.yaml")
    assert needed - rights == set(), "the operator would be refused"
    # Asking whether a name is taken happens for every kind that it owns.
    idle = {right for right in rights - needed if right[2] != "get"}
    assert idle == set(), "rights that nothing uses"


def test_the_operator_gets_secrets_by_name_and_writes_no_users_object() -> None:
    rights = granted("clusterrole.yaml") | granted("role.yaml")
    assert not [right for right in rights if "*" in right]
    assert {verb for _, resource, verb in rights if resource == "secrets"} == {"get"}
    assert not {("", "configmaps", verb) for verb in ("watch", "update")} & rights
    assert {verb for _, resource, verb in rights if resource in ("models", "rollouts")} <= {
        "get", "list", "watch",
    }  # fmt: skip
