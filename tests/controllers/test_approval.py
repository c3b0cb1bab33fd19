"""Approvals of a Model, through the real controllers as their own service account, admission and
people with their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import revision_of, traffic
from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout
from tests.manifests.people import CONFIG, MODEL, OPERATOR, PATHS, ROLLOUT, Place

from tidegate.api.origin import Origin
from tidegate.kube.resources import CONFIGMAPS, EVENTS
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

V1, V2 = "https://models/v1", "https://models/v2"
APPROVAL = {"groups": ["ml-leads"], "expires": "1m"}


class Governed(Site):
    """A site whose operator acts as its service account, with people around it."""

    def __init__(self, kube: FakeKube) -> None:
        super().__init__(kube)
        self.place = Place(kube)

    async def furnish(self, *, policies: bool = True) -> None:
        await self.place.furnish(policies=policies)
        self.kube.transport.inner = InProcessTransport(self.kube.api, user=OPERATOR)

    async def put(self, document: dict[str, Any], *, seconds: int = 5) -> dict[str, Any]:
        await self.kube.put(document)
        await self.harness.settle()
        await self.pass_time(seconds=seconds)
        return await self.model()

    async def approve(self, name: str, uri: str, *, by: str | None = None) -> Any:
        """What a person sends who approves what status shows now, and what the server answers."""
        evidence = entry(await self.model(), uri)["approval"]["evidence"]
        answer = await self.place(name).approve(by, revision=revision_of(uri), evidence=evidence)
        await self.harness.settle()
        await self.pass_time(seconds=5)
        return answer


@pytest.fixture
async def site() -> AsyncIterator[Governed]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        found = Governed(kube)
        await found.furnish()
        yield found


def made_by(author: str | None, auc: float = 0.7) -> Origin:
    metric = {"metric": "roc_auc", "value": auc, "dataset": "holdout", "digest": "sha256:aa"}
    return Origin.model_validate(
        {
            "registry": "mlflow", "name": "flights", "version": "1", "author": author,
            "metrics": [metric],
        }
    )  # fmt: skip


def entry(found: dict[str, Any], uri: str) -> dict[str, Any]:
    """What status says of the revision of an artifact."""
    name = revision_of(uri)
    return next(one for one in found["status"]["revisions"] if one["name"] == name)


def said(found: dict[str, Any]) -> tuple[str, str]:
    approved = condition(found, "Approved")
    return approved["status"], approved["reason"]


async def wait(site: Governed, delivery: str = "Direct", uri: str = V1, **spec: Any) -> None:
    """A version by alice waits for its approval."""
    site.shelf.origins.setdefault(uri, made_by("alice@corp"))
    if delivery == "Rollout":
        await site.kube.put(rollout())
    found = await site.put(model(uri, delivery=delivery, approval=APPROVAL, **spec))
    assert said(found) == ("False", "ApprovalPending"), condition(found, "Approved")


@pytest.mark.scenario("PA-08")
@pytest.mark.parametrize("delivery", ["Direct", "Rollout"])
async def test_a_version_waits_for_somebody_else_of_the_groups(
    site: Governed, delivery: str
) -> None:
    await wait(site, delivery)
    found = await site.model()
    message = condition(found, "Approved")["message"]
    assert "a member of ml-leads other than its author alice must approve it" in message
    assert entry(found, V1)["phase"] == "Trial"
    assert entry(found, V1)["admission"]["reason"] == "ApprovalPending"
    assert condition(found, "Ready")["reason"] == "ApprovalPending"
    assert await traffic(site) == {}

    assert (await site.approve("alice", V1)).status == 200
    assert said(await site.model()) == ("False", "ApproverIsAuthor")
    refused = await site.approve("bob", V1)
    assert refused.status == 403
    assert "bob is in none of the groups" in refused.body["message"]
    assert await traffic(site) == {}

    assert (await site.approve("carol", V1)).status == 200
    found = await site.model()
    assert said(found) == ("True", "Approved")
    approval = entry(found, V1)["approval"]
    assert (approval["by"], approval["authors"]) == ("carol", ["alice"])
    for part in ("carol", approval["at"], entry(found, V1)["digest"][:12]):
        assert part in condition(found, "Approved")["message"]
    await site.pass_time(seconds=20)
    assert await traffic(site) == {revision_of(V1): 100}
    kept = await site.kube.user.get(CONFIGMAPS, f"{NAME}-lineage", namespace=NAMESPACE)
    assert '"by":"carol"' in str(kept["data"])
    events = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    reasons = [event["reason"] for event in events]
    assert {"ApproverIsAuthor", "Approved"} <= set(reasons)


async def test_waiting_asks_little_and_an_approval_is_held_to_how_things_are_now(
    site: Governed,
) -> None:
    await wait(site)
    before = len(site.kube.transport.sent)
    for number in range(10):
        await site.place("ed").annotate(MODEL, note=str(number))
        await site.harness.settle()
    asked = [one.path for one in site.kube.transport.sent[before:] if one.method == "GET"]
    assert not [path for path in asked if "admissionregistration" in path]
    await site.place.ask.patch(CONFIG, {"data": {"authors": "alice@corp: carol"}})
    await site.approve("carol", V1)
    assert said(await site.model()) == ("False", "ApproverIsAuthor")


async def test_the_next_version_needs_its_own_approval_while_the_first_serves(
    site: Governed,
) -> None:
    await wait(site)
    await site.approve("carol", V1)
    await site.pass_time(seconds=20)
    await wait(site, uri=V2)
    assert "is about flight-delay-" in condition(await site.model(), "Approved")["message"]
    old = entry(await site.model(), V1)["approval"]["evidence"]
    await site.place("carol").approve(revision=revision_of(V2), evidence=old)
    await site.harness.settle()
    assert said(await site.model()) == ("False", "ApprovalVoid")
    await site.pass_time(seconds=61)  # the first one's has run out; it serves all the same
    assert await traffic(site) == {revision_of(V1): 100}
    await site.approve("carol", V2)
    await site.pass_time(seconds=20)
    assert await traffic(site) == {revision_of(V2): 100}


async def test_a_change_of_gates_makes_an_approval_void(site: Governed) -> None:
    gates = [{"name": "auc", "metric": "roc_auc", "min": 0.65}]
    made = model(V1, approval=APPROVAL, gates=gates)  # no Rollout yet: nothing comes in
    site.shelf.origins[V1] = made_by("alice@corp")
    await site.put(made)
    await site.approve("carol", V1)
    assert said(await site.model()) == ("True", "Approved")
    gates[0]["min"] = 0.6
    found = await site.put(made)
    assert said(found) == ("False", "ApprovalVoid")
    assert entry(found, V1)["admission"]["result"] == "Waiting"


async def test_nobody_is_asked_before_the_gates_have_passed(site: Governed) -> None:
    gates = [{"name": "auc", "metric": "roc_auc", "min": 0.75}]
    site.shelf.origins[V1] = made_by("alice@corp")
    found = await site.put(model(V1, approval=APPROVAL, gates=gates))
    assert said(found) == ("Unknown", "GateFailed")
    assert "approval" not in entry(found, V1)


async def test_an_approval_that_is_not_used_in_time_is_asked_for_again(site: Governed) -> None:
    site.shelf.origins[V1] = made_by("alice@corp")
    await site.put(model(V1, approval=APPROVAL))  # no Rollout yet: nothing comes in
    await site.approve("carol", V1)
    assert said(await site.model()) == ("True", "Approved")
    await site.pass_time(seconds=60)
    assert said(await site.model()) == ("False", "ApprovalExpired")
    await site.kube.put(rollout())
    await site.pass_time(seconds=30)
    assert await traffic(site) == {}
    await site.approve("carol", V1)
    await site.pass_time(seconds=30)
    assert await traffic(site) == {revision_of(V1): 100}


@pytest.mark.parametrize(
    ("author", "says"),
    [(None, "nobody knows who made it"), ("eve@corp", "add the line `eve@corp: USER`")],
)
async def test_an_author_whom_nobody_knows_is_refused(
    site: Governed, author: str | None, says: str
) -> None:
    site.shelf.origins[V1] = made_by(author)
    found = await site.put(model(V1, delivery="Direct", approval=APPROVAL))
    assert said(found) == ("False", "AuthorUnknown")
    assert says in condition(found, "Approved")["message"]
    assert (await site.approve("carol", V1)).status == 200
    assert said(await site.model()) == ("False", "AuthorUnknown")
    await site.place.ask.patch(CONFIG, {"data": {"authors": "eve@corp: eve"}})
    await site.pass_time(seconds=61)
    expected = ("False", "AuthorUnknown") if author is None else ("True", "Approved")
    assert said(await site.model()) == expected


async def test_a_listed_service_account_brings_an_approval_but_not_the_authors(
    site: Governed,
) -> None:
    await wait(site)
    argo = "system:serviceaccount:argocd:controller"
    assert (await site.approve(argo, V1, by="alice")).status == 200
    assert said(await site.model()) == ("False", "ApproverIsAuthor")
    assert (await site.approve(argo, V1, by="carol")).status == 200
    assert entry(await site.model(), V1)["approval"]["by"] == "carol"


async def test_without_the_policies_nobody_is_believed() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Governed(kube)
        await site.furnish(policies=False)
        await site.place.install("policies/configmap.yaml")
        site.shelf.origins[V1] = made_by("alice@corp")
        found = await site.put(model(V1, delivery="Direct", approval=APPROVAL))
        assert said(found) == ("False", "ApprovalUnguarded")
        assert "apply manifests/policies" in condition(found, "Approved")["message"]
        await site.approve("ed", V1, by="carol")  # forged: nothing hinders an editor
        assert said(await site.model()) == ("False", "ApprovalUnguarded")
        await site.place.install("policies/models.yaml")
        binding = f"{PATHS['ValidatingAdmissionPolicyBinding']}/tidegate-models"
        await site.place.ask.patch(binding, {"spec": {"validationActions": ["Warn"]}})
        await site.pass_time(seconds=61)
        assert said(await site.model()) == ("False", "ApprovalUnguarded")
        await site.place.ask.patch(binding, {"spec": {"validationActions": ["Deny"]}})
        await site.pass_time(seconds=61)
        assert said(await site.model()) == ("False", "ApprovalExpired")  # it stays forged
        await site.approve("carol", V1)
        assert said(await site.model()) == ("True", "Approved")


async def test_what_serves_when_an_approval_is_declared_serves_on(site: Governed) -> None:
    await site.put(model(V1, delivery="Direct"), seconds=20)
    found = await site.put(model(V1, delivery="Direct", approval=APPROVAL))
    assert said(found) == ("True", "ServesAlready")
    assert condition(found, "Ready")["status"] == "True"
    found = await site.put(model(V1, delivery="Direct"))
    assert not [c for c in found["status"]["conditions"] if c["type"] == "Approved"]


async def test_the_operator_is_never_refused_while_people_send_commands(site: Governed) -> None:
    await wait(site, "Rollout")
    await site.approve("carol", V1)
    await site.until("Healthy")
    await wait(site, uri=V2, delivery="Rollout")
    await site.approve("ada", V2)
    await site.until("Progressing")
    text = '{"id": "1", "verb": "promote", "by": "carol"}'
    assert (await site.place("carol").annotate(ROLLOUT, command=text)).status == 200
    await site.until("Healthy")
    assert await traffic(site) == {revision_of(V2): 100}
