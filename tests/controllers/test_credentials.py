"""Credentials of artifacts: from a Secret to the source and the init container, no further."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAMESPACE, Site, condition, model, rollout, sha

from tidegate.kube.resources import CONTROLLERREVISIONS, EVENTS, SECRETS

if TYPE_CHECKING:
    from tidegate.kube.objects import Object

TOKEN = "s3cret-t0ken-of-the-test"
URI = "https://models/private"


def secret(hosts: str | None = "models", **values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata: Object = {"name": "reader", "namespace": NAMESPACE}
    if hosts is not None:
        metadata["annotations"] = {"tidegate.dev/hosts": hosts}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def private(uri: str = URI, **artifact: Any) -> Object:
    whole = {"uri": uri, "format": "sklearn-skops", "credentialsRef": {"name": "reader"}}
    return direct(uri, artifact={**whole, **artifact})


async def settle(site: Site, document: Object) -> Object:
    await site.kube.put(document)
    await site.harness.settle()
    return await site.model()


async def revisions(site: Site) -> list[Object]:
    found = await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)
    return list(found.items)


async def test_the_secret_reaches_the_source_and_the_init_container_alone(site: Site) -> None:
    await site.kube.put(secret(token=f"{TOKEN}\n"))
    await settle(site, private())
    assert site.shelf.credentials.get("token") == TOKEN
    assert site.shelf.credentials.name == "reader"
    (revision,) = await revisions(site)
    pod = revision["data"]["podTemplate"]["spec"]
    assert {"name": "credentials", "secret": {"secretName": "reader", "optional": True,
            "defaultMode": 0o440}} in pod["volumes"]  # fmt: skip
    (fetch,), (server,) = pod["initContainers"], pod["containers"]
    mounted = [mount["name"] for mount in fetch["volumeMounts"]]
    assert mounted == ["cache", "scratch", "credentials", "keep"]
    assert [mount["name"] for mount in server["volumeMounts"]] == ["cache", "scratch"]
    assert fetch["args"][-4:] == [
        "--credentials", "/var/run/tidegate/credentials", "--secret", "reader",
    ]  # fmt: skip


async def test_nothing_of_the_secret_is_written_told_or_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await site.kube.put(secret(token=TOKEN))
    await settle(site, private())
    await settle(site, private("https://models/missing"))
    await site.pass_time(minutes=2)
    written = json.dumps([sent.body for sent in site.kube.transport.sent], default=str)
    events = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    logged = [vars(record) for record in caplog.records]
    told = f"{written} {json.dumps(events)} {await site.model()} {logged}"
    assert "reader" in told
    for form in (TOKEN, base64.b64encode(TOKEN.encode()).decode()):
        assert form not in told


async def test_credentials_are_no_part_of_a_revision(site: Site) -> None:
    await settle(site, direct(URI))
    open_to_all = await revisions(site)
    await site.kube.put(secret(token=TOKEN))
    await settle(site, private())
    assert [one["metadata"]["name"] for one in await revisions(site)] == [
        one["metadata"]["name"] for one in open_to_all
    ]


async def test_a_secret_that_is_not_there_is_a_condition_that_mends_itself(site: Site) -> None:
    found = await settle(site, private())
    said = condition(found, "Resolved")
    assert (said["status"], said["reason"]) == ("False", "CredentialsMissing")
    assert "create it" in said["message"]
    assert site.shelf.asked == 0
    await site.kube.put(secret(token=TOKEN))
    await site.pass_time(minutes=2)
    assert condition(await site.model(), "Resolved")["status"] == "True"


@pytest.mark.scenario("BI-08")
async def test_a_missing_secret_and_a_missing_key_are_named_and_mend_themselves(site: Site) -> None:
    said = condition(await settle(site, private()), "Resolved")
    assert (said["status"], said["reason"]) == ("False", "CredentialsMissing")
    assert "'reader'" in said["message"]
    await site.kube.put(secret(tokn=TOKEN))
    await site.pass_time(minutes=1)
    said = condition(await site.model(), "Resolved")
    assert (said["status"], said["reason"]) == ("False", "CredentialsInvalid")
    assert "the Secret 'reader' has no key 'token'" in said["message"]
    await site.kube.put(secret(token=TOKEN))
    await site.pass_time(minutes=1, seconds=10)
    found = await site.model()
    assert condition(found, "Resolved")["status"] == "True"
    assert TOKEN not in json.dumps(found)


async def test_a_secret_that_goes_leaves_what_serves_alone(site: Site) -> None:
    await site.kube.put(secret(token=TOKEN))
    found = await settle(site, private())
    stable = found["status"]["delivery"]["stable"]
    await site.kube.user.delete(SECRETS, "reader", namespace=NAMESPACE)
    await site.pass_time(minutes=2)
    found = await site.model()
    assert condition(found, "Resolved")["reason"] == "CredentialsMissing"
    assert found["status"]["delivery"]["stable"] == stable
    assert condition(found, "Available")["status"] == "True"


async def test_a_value_that_is_no_text_is_told_by_its_key_alone(site: Site) -> None:
    broken = secret()
    broken["data"] = {"token": base64.b64encode(b"\xff\xfe").decode()}
    await site.kube.put(broken)
    said = condition(await settle(site, private()), "Resolved")
    assert said["reason"] == "CredentialsInvalid"
    assert "'token'" in said["message"]


async def test_no_secret_is_read_where_none_is_named(site: Site) -> None:
    await settle(site, model(URI, delivery="Direct"))
    assert not [sent for sent in site.kube.transport.sent if "/secrets" in sent.path]


@pytest.mark.parametrize(
    ("uri", "token"),
    [("https://models/other", TOKEN), ("https://elsewhere/other", None)],
    ids=["the same server", "another server"],
)
async def test_an_arm_of_a_rollout_has_the_models_credentials_on_the_models_server_alone(
    site: Site, uri: str, token: str | None
) -> None:
    await site.kube.put(secret(token=TOKEN))
    document = model(URI)
    document["spec"]["artifact"]["credentialsRef"] = {"name": "reader"}
    await site.kube.put(document)
    arms = [
        {"name": "a", "revision": "stable"},
        {"name": "b", "artifact": {"uri": uri, "sha256": sha(uri), "format": "sklearn-skops"}},
    ]
    test = {"abTest": {"arms": arms, "goal": "errors", "minDuration": "60s"}}
    await site.kube.put(rollout(strategy=test))
    await site.harness.settle()
    (arm,) = (await site.model())["status"]["arms"]
    made = next(one for one in await revisions(site) if one["metadata"]["name"] == arm["revision"])
    pod = made["data"]["podTemplate"]["spec"]
    assert ("credentials" in [volume["name"] for volume in pod["volumes"]]) == (token is not None)
    assert site.shelf.credentials.get("token") == token


@pytest.mark.parametrize("uri", ["https://evil.example/v1", "oci://evil.example/m:v1"])
@pytest.mark.parametrize(
    ("hosts", "mend"),
    [
        ("models", "have whoever keeps the Secret add the host"),
        (None, "`kubectl annotate secret reader tidegate.dev/hosts=evil.example`"),
    ],
)
async def test_a_model_cannot_have_a_secret_sent_to_a_server_of_its_choice(
    site: Site, uri: str, hosts: str | None, mend: str
) -> None:
    await site.kube.put(secret(hosts, username="u", password=TOKEN))
    found = await settle(site, private(uri))
    said = condition(found, "Resolved")
    assert (said["status"], said["reason"]) == ("False", "HostForbidden")
    assert mend in said["message"]
    assert site.shelf.asked == 0
    assert await site.deployments() == {}


async def test_a_secret_whose_keeper_allows_the_server_is_sent_there(site: Site) -> None:
    await site.kube.put(secret(None, token=TOKEN))
    assert condition(await settle(site, private()), "Ready")["reason"] == "HostForbidden"
    await site.kube.put(secret("models", token=TOKEN))
    await site.pass_time(minutes=2)
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_where_an_artifact_was_found_to_lie_counts_too(site: Site) -> None:
    site.shelf.place = lambda _: "https://elsewhere.example/v1"
    await site.kube.put(secret(token=TOKEN))
    said = condition(await settle(site, private()), "Resolved")
    assert said["reason"] == "HostForbidden"
    assert "not to elsewhere.example" in said["message"]
    assert await revisions(site) == []
