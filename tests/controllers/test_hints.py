"""A signed hint has the Models of a registered model asked now; any other changes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAMESPACE, SETTINGS, Site

from tidegate.artifacts.hint import Refused
from tidegate.artifacts.mlflow.webhook import PATH, model_named, verify
from tidegate.artifacts.wandb import webhook as wandb
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "what both of them know"
SETTINGS_OF_BOTH = replace(SETTINGS, mlflow_webhook_secret=SECRET, wandb_webhook_secret=SECRET)
ALIAS = "models:/fraud@challenger"
OF_WANDB = "wandb://Acme%20Inc/wandb-registry-model/fraud:prod/model.onnx"


def signed(body: bytes, *, at: float, secret: str = SECRET, id_: str = "1") -> dict[str, str]:
    stamp = str(int(at))
    content = f"{id_}.{stamp}.".encode() + body
    digest = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    return {
        "x-mlflow-delivery-id": id_,
        "x-mlflow-timestamp": stamp,
        "x-mlflow-signature": f"v1,{digest}",
    }


def about(name: str) -> bytes:
    return json.dumps(
        {"entity": "model_version_alias", "action": "created", "data": {"name": name}}
    ).encode()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        found = Site(kube, settings=SETTINGS_OF_BOTH)
        await follow(found, ALIAS)
        yield found


async def follow(site: Site, uri: str) -> None:
    """Have the Model follow an alias, and ask for it seldom."""
    document = direct(uri)
    del document["spec"]["artifact"]["sha256"]
    document["spec"]["artifact"]["pollInterval"] = "1h"
    await site.kube.put(document)
    await site.harness.settle()


def post(site: Site, body: bytes, **signing: Any) -> int:
    now = site.kube.clock.now().timestamp()
    headers = signed(body, **{"at": now, **signing})
    hooks = site.harness.context.hooks
    return hooks.reply(PATH, headers, body, now=site.kube.clock.monotonic()).status


async def test_a_hint_has_the_followers_asked_now(site: Site) -> None:
    asked = site.shelf.asked
    await site.pass_time(seconds=5)
    assert site.shelf.asked == asked
    assert post(site, about("fraud")) == 200
    await site.harness.settle()
    assert site.shelf.asked == asked + 1


async def test_a_hint_about_another_model_asks_nobody(site: Site) -> None:
    asked = site.shelf.asked
    assert post(site, about("churn")) == 200
    assert post(site, b"{}") == 200
    await site.harness.settle()
    assert site.shelf.asked == asked


@pytest.mark.parametrize("signing", [{"secret": "another"}, {"at": 0.0}])
async def test_what_is_not_signed_now_by_who_knows_the_secret_is_refused(
    site: Site, signing: dict[str, Any]
) -> None:
    asked = site.shelf.asked
    assert post(site, about("fraud"), **signing) == 401
    await site.harness.settle()
    assert site.shelf.asked == asked


async def test_without_a_secret_nothing_is_taken() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        assert post(Site(kube), about("fraud")) == 503


def collection(name: str, project: str = "wandb-registry-model") -> bytes:
    return json.dumps({"project_name": project, "artifact_collection_name": name}).encode()


def wandb_signed(body: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def post_wandb(site: Site, body: bytes, signature: str) -> int:
    headers = {"x-wandb-signature": signature} if signature else {}
    hooks = site.harness.context.hooks
    return hooks.reply(wandb.PATH, headers, body, now=site.kube.clock.monotonic()).status


async def test_weights_and_biases_has_those_asked_that_follow_the_artifact(site: Site) -> None:
    await follow(site, OF_WANDB)
    for body, more in (
        (collection("fraud"), 1),
        (collection("churn"), 0),
        (collection("fraud", "another"), 0),
        (about("fraud"), 0),
    ):
        asked = site.shelf.asked
        signature = wandb_signed(body)
        assert post_wandb(site, body, base64.b64encode(signature).decode()) == 200
        await site.harness.settle()
        assert site.shelf.asked == asked + more
    asked = site.shelf.asked
    assert post_wandb(site, collection("fraud"), wandb_signed(collection("fraud")).hex()) == 200
    await site.harness.settle()
    assert site.shelf.asked == asked + 1


@pytest.mark.parametrize(
    "signature", ["", "nonsense", wandb_signed(collection("fraud"), "another").hex(), "é"]
)
async def test_what_weights_and_biases_did_not_sign_is_refused(site: Site, signature: str) -> None:
    await follow(site, OF_WANDB)
    asked = site.shelf.asked
    assert post_wandb(site, collection("fraud"), signature) == 401
    await site.harness.settle()
    assert site.shelf.asked == asked


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"project_name": 1}', collection("", "")])
def test_a_body_that_names_no_artifact_is_about_none(body: bytes) -> None:
    assert wandb.collection_named(body) is None


BODY = about("fraud")
WRONG = [
    ({}, "no signature"),
    ({"x-mlflow-signature": "v2,AAAA"}, "no signature"),
    ({"x-mlflow-signature": "v1,&&&"}, "no base64"),
    ({"x-mlflow-signature": "v1,AAAA"}, "does not fit"),
    ({"x-mlflow-delivery-id": "2"}, "does not fit"),
    ({"x-mlflow-timestamp": "1001"}, "does not fit"),
]


@pytest.mark.parametrize(("changed", "said"), WRONG)
def test_whatever_is_changed_on_the_way_is_noticed(changed: dict[str, str], said: str) -> None:
    headers = {**signed(BODY, at=1000.0), **changed} if changed else {}
    with pytest.raises(Refused, match=said):
        verify(SECRET, headers, BODY, now=1000.0)


@pytest.mark.parametrize(
    ("at", "fresh"),
    [(1000.0, True), (1299.0, True), (700.0, True), (600.0, False), (1400.0, False)],
)
def test_a_delivery_is_fresh_for_five_minutes(at: float, fresh: bool) -> None:
    headers = signed(BODY, at=at)
    if fresh:
        verify(SECRET, headers, BODY, now=1000.0)
    else:
        with pytest.raises(Refused, match="compare the clocks"):
            verify(SECRET, headers, BODY, now=1000.0)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"data": 3}', b'{"data": {"name": 1}}'])
def test_a_body_that_names_no_model_is_about_none(body: bytes) -> None:
    assert model_named(body) is None
