"""wandb:// against a W&B server in small, which W&B's own client is held to as well."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.artifacts.base import Limits, Resolved
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.artifacts.wandb.reference import placed
from tidegate.artifacts.wandb.source import WandbSource
from tidegate.errors import Retryable, Terminal, Unreachable
from tidegate.testing.wandb import FakeWandb, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL = b"weights " * 1000
FILES = {"model.onnx": MODEL, "README.md": b"# Fraud", "sub/config.json": b"{}"}
ALL = "wandb://acme/fraud/model:prod"
URI = f"{ALL}/model.onnx"
KEY = "s3cret-key"
ORGANIZATION, ENTITY = "Acme%20Inc", "acme_0a1b"


@pytest.fixture
async def server() -> AsyncIterator[FakeWandb]:
    async with FakeWandb.start() as found:
        found.log(FILES, "prod")
        yield found


@pytest.fixture
async def source() -> AsyncIterator[WandbSource]:
    found = WandbSource()
    yield found
    await found.close()


async def resolve(
    server: FakeWandb, source: WandbSource, uri: str = URI, *, format: str = "onnx",
    previous: Resolved | None = None, sha256: str | None = None, key: str = "",
) -> Resolved:  # fmt: skip
    values = {"WANDB_BASE_URL": server.url, **({"WANDB_API_KEY": key} if key else {})}
    return await source.resolve(
        uri, format=format, sha256=sha256, previous=previous,
        credentials=Credentials("wandb", values),
    )  # fmt: skip


async def refused(server: FakeWandb, source: WandbSource, uri: str = URI, **more: Any) -> Terminal:
    with pytest.raises(Terminal) as caught:
        await resolve(server, source, uri, **more)
    return caught.value


def fetch(location: str, key: str = "") -> dict[str, bytes]:
    """What a pod gets: contents by path, of a file by an empty one."""
    fetcher = fetcher_for(location, Credentials("wandb", {"WANDB_API_KEY": key}))
    places = {"": location}
    if placed(location).is_folder:
        places = {entry.path: entry.location for entry in fetcher.files(location)}
    found = {}
    for path, place in places.items():
        with fetcher.open(place, offset=0) as stream:
            found[path] = b"".join(stream.chunks)
    return found


async def test_an_alias_is_resolved_to_a_version_that_stays_what_it_is(
    server: FakeWandb, source: WandbSource
) -> None:
    found = await resolve(server, source)
    digest = server.memberships[0].version.digest
    assert (found.version, found.immutable, found.kind) == (f"v0 ({digest})", True, "file")
    assert (found.sha256, found.size) == (hashlib.sha256(MODEL).hexdigest(), len(MODEL))
    server.log({"model.onnx": b"another"}, "prod")
    assert await asyncio.to_thread(fetch, found.location) == {"": MODEL}
    following = await resolve(server, source, previous=found)
    assert await asyncio.to_thread(fetch, following.location) == {"": b"another"}


async def test_a_whole_artifact_or_a_folder_of_it_is_a_tree(
    server: FakeWandb, source: WandbSource
) -> None:
    for uri, prefix in ((ALL, ""), (f"{ALL}/sub/", "sub/")):
        found = await resolve(server, source, uri, format="custom")
        inside = {
            path.removeprefix(prefix): content
            for path, content in FILES.items()
            if path.startswith(prefix)
        }
        assert await asyncio.to_thread(fetch, found.location) == inside
        files = [
            TreeFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in inside.items()
        ]
        assert (found.kind, found.sha256) == ("tree", tree_digest(files))
        assert found.size == sum(map(len, inside.values()))


async def test_an_artifact_of_one_file_needs_no_path(
    server: FakeWandb, source: WandbSource
) -> None:
    server.log({"fraud.onnx": MODEL}, "single")
    found = await resolve(server, source, "wandb://acme/fraud/model:single")
    assert (found.kind, placed(found.location).path) == ("file", "fraud.onnx")
    assert await asyncio.to_thread(fetch, found.location) == {"": MODEL}
    several = await refused(server, source, ALL)
    assert several.reason == "FormatMismatch"
    assert "like wandb://acme/fraud/model:prod/README.md" in several.message


async def test_what_is_new_costs_a_few_requests_an_alias_that_stands_one_and_a_version_none(
    server: FakeWandb, source: WandbSource
) -> None:
    first = await resolve(server, source)
    assert server.asked == [
        "ArtifactMembershipByName", "ArtifactVersion", "GET wandb_manifest.json",
        "ArtifactMembershipFiles", "GET model.onnx",
    ]  # fmt: skip
    server.asked.clear()
    assert await resolve(server, source, previous=first) is first
    assert server.asked == ["ArtifactMembershipByName"]
    version = f"{ALL.replace(':prod', ':v0')}/model.onnx"
    pinned = await resolve(server, source, version)
    server.asked.clear()
    assert await resolve(server, source, version, previous=pinned) is pinned
    assert server.asked == []


async def test_an_organization_is_found_by_its_name_and_costs_one_request_from_then_on(
    server: FakeWandb, source: WandbSource
) -> None:
    server.key, server.organizations = KEY, {"Other": "other_1", "Acme Inc": ENTITY}
    project = "wandb-registry-model"
    server.link(
        server.memberships[0].version, "champion", name="flights", project=project, entity=ENTITY
    )
    server.asked.clear()
    uri = f"wandb://{ORGANIZATION}/{project}/flights:champion/model.onnx"
    found = await resolve(server, source, uri, key=KEY)
    assert len(server.asked) == 7  # the file itself is one of them
    assert placed(found.location).entity == ENTITY
    assert await asyncio.to_thread(fetch, found.location, KEY) == {"": MODEL}
    server.asked.clear()
    assert await resolve(server, source, uri, previous=found, key=KEY) is found
    assert len(server.asked) == 1
    away = await refused(server, source, uri.replace(ORGANIZATION, "Elsewhere"), key=KEY)
    assert away.reason == "ArtifactNotFound"
    assert "in no organization Elsewhere (but in: Other, Acme Inc)" in away.message


async def test_the_key_goes_to_the_server_and_not_to_its_store(
    server: FakeWandb, source: WandbSource
) -> None:
    server.key = KEY
    found = await resolve(server, source, key=KEY)
    assert await asyncio.to_thread(fetch, found.location, KEY) == {"": MODEL}
    assert set(server.told_store) == {None}
    for key in ("", "wrong-" + KEY):
        error = await refused(server, source, key=key)
        assert error.reason == "ArtifactForbidden"
        assert KEY not in str(error)
        with pytest.raises(Terminal, match="answers 401") as in_a_pod:
            await asyncio.to_thread(fetch, found.location, key)
        assert in_a_pod.value.reason == "ArtifactForbidden"


async def test_no_key_follows_a_redirect(server: FakeWandb, source: WandbSource) -> None:
    found = await resolve(server, source)
    async with FakeWandb.start() as other:
        server.redirect = f"{other.url}/graphql"
        error = await refused(server, source, key=KEY)
        with pytest.raises(Terminal) as in_a_pod:
            await asyncio.to_thread(fetch, found.location, KEY)
        assert error.reason == in_a_pod.value.reason == "RegistryUnknown"
        assert other.asked == []


async def test_an_origin_has_the_run_its_commit_its_data_and_what_was_measured(
    server: FakeWandb, source: WandbSource
) -> None:
    data = server.log({"a.csv": b"1"}, name="payments", kind="dataset")
    base = server.log({"b.onnx": b"2"}, name="base")
    summary = {"auc": 0.8, "test": {"loss": 0.1, "best": "NaN"}, "_step": 7, "flag": True}
    run = Run(
        "r1", commit="c" * 40, remote="https://git.example/a.git", summary=summary,
        inputs=[data, base],
    )  # fmt: skip
    server.log(FILES, "prod", run=run, metadata={"auc": 0.9, "epochs": 3}, tags=["reviewed"])
    origin = (await resolve(server, source)).origin
    assert origin is not None
    assert (origin.registry, origin.name) == ("wandb", "acme/fraud/model")
    assert (origin.version, origin.alias) == ("v1", "prod")
    assert (origin.run, origin.author) == ("acme/fraud/r1", "ada")
    assert (origin.git_commit, origin.git_repository) == ("c" * 40, "https://git.example/a.git")
    assert origin.created == "2026-05-03T11:54:38Z"
    assert {one.metric: one.value for one in origin.metrics} == {
        "auc": 0.9, "epochs": 3.0, "test.loss": 0.1
    }  # fmt: skip
    (known,) = origin.datasets
    assert (known.name, known.digest) == ("acme/fraud/payments:v0", data.digest)
    assert origin.tags == {"reviewed": ""}


async def test_who_made_it_is_absent_where_the_key_may_not_see_that_and_asked_again_in_trouble(
    server: FakeWandb, source: WandbSource
) -> None:
    server.log(FILES, "prod", run=Run("r1", commit="c" * 40))
    server.knows_run_info = False
    origin = (await resolve(server, source)).origin
    assert origin is not None
    assert (origin.run, origin.git_commit) == ("acme/fraud/r1", "c" * 40)
    server.hides_runs = "permission denied for project"
    origin = (await resolve(server, source)).origin
    assert origin is not None
    assert (origin.run, origin.git_commit, origin.author) == (None, None, None)
    server.hides_runs = "internal error"
    with pytest.raises(Unreachable, match="internal error"):
        await resolve(server, source)


ABSENT = [
    ("wandb://acme/nothing/model:prod/model.onnx", "no project acme/nothing that is public"),
    ("wandb://nobody/fraud/model:prod/model.onnx", "no project nobody/fraud"),
    ("wandb://acme/fraud/other:prod/model.onnx", "no artifact acme/fraud/other:prod"),
    ("wandb://acme/fraud/model:none/model.onnx", "no artifact acme/fraud/model:none"),
    ("wandb://acme/fraud/model:v7/model.onnx", "no artifact acme/fraud/model:v7"),
    ("wandb://acme/fraud/model:prod/missing.onnx", "it holds README.md, model.onnx, sub/config"),
    ("wandb://acme/fraud/model:prod/missing/", "has no missing/"),
]


@pytest.mark.parametrize(("uri", "says"), ABSENT)
async def test_what_is_not_there_is_told(
    server: FakeWandb, source: WandbSource, uri: str, says: str
) -> None:
    error = await refused(server, source, uri)
    assert error.reason == "ArtifactNotFound"
    assert says in error.message


async def test_a_version_that_was_deleted_is_gone_and_one_that_is_uploaded_is_waited_for(
    server: FakeWandb, source: WandbSource
) -> None:
    found = await resolve(server, source)
    version = server.memberships[0].version
    for state in ("DELETED", "PENDING_DELETION", "GARBAGE_COLLECTED"):
        version.state = state
        error = await refused(server, source)
        assert error.reason == "ArtifactNotFound"
        assert f"was deleted in W&B (its state is {state})" in error.message
    version.state = "PENDING"
    with pytest.raises(Retryable) as caught:
        await resolve(server, source)
    assert caught.value.reason == "VersionPending"
    server.memberships.clear()
    with pytest.raises(Terminal) as in_a_pod:
        await asyncio.to_thread(fetch, found.location)
    assert in_a_pod.value.reason == "ArtifactNotFound"


async def test_a_file_that_lies_elsewhere_is_refused_where_it_is_meant(
    server: FakeWandb, source: WandbSource
) -> None:
    server.log(FILES, "prod", refs={"big.bin": "s3://bucket/big.bin?versionId=1"})
    error = await refused(server, source, ALL, format="custom")
    assert error.reason == "ReferenceUnsupported"
    assert "reference to s3://bucket/big.bin" in error.message
    assert (await resolve(server, source)).size == len(MODEL)  # the others may be had


@pytest.mark.parametrize("algorithm", ["MD5", "XXH128"])
async def test_content_that_is_not_what_was_logged_is_refused(
    server: FakeWandb, source: WandbSource, algorithm: str
) -> None:
    version = server.log(FILES, "prod", algorithm=algorithm)
    assert (await resolve(server, source)).size == len(MODEL)
    version.stored["model.onnx"] = b"tampered" * 1000
    error = await refused(server, source)
    assert error.reason == "DigestMismatch"
    assert f"model.onnx of acme/fraud/model:prod has {algorithm}" in error.message


async def test_another_digest_than_the_pinned_one_is_refused(
    server: FakeWandb, source: WandbSource
) -> None:
    error = await refused(server, source, sha256="0" * 64)
    assert error.reason == "DigestMismatch"
    found = await resolve(server, source, sha256=hashlib.sha256(MODEL).hexdigest())
    server.asked.clear()
    assert await resolve(server, source, sha256=found.sha256, previous=found) is found
    assert server.asked == []


async def test_what_is_too_large_is_refused_before_it_is_read(server: FakeWandb) -> None:
    source = WandbSource(limits=Limits(max_bytes=100))
    error = await refused(server, source)
    assert error.reason == "TooLarge"
    assert "GET model.onnx" not in server.asked
    await source.close()


TROUBLE = [(500, "Unreachable"), (502, "Unreachable"), (429, "Unreachable")]


@pytest.mark.parametrize(("status", "reason"), TROUBLE)
async def test_a_server_in_trouble_is_asked_again(
    server: FakeWandb, source: WandbSource, status: int, reason: str
) -> None:
    server.status = status
    with pytest.raises(Retryable, match=f"answers {status}") as caught:
        await resolve(server, source)
    assert caught.value.reason == reason


async def test_a_file_that_comes_truncated_is_read_again(
    server: FakeWandb, source: WandbSource
) -> None:
    server.cut = 3000
    with pytest.raises(Unreachable, match="cannot be reached"):
        await resolve(server, source)
    server.memberships[0].version.stored["model.onnx"] = MODEL[:3000]
    with pytest.raises(Unreachable, match="came truncated: 3000 of 8000 bytes"):
        await resolve(server, source)
    server.memberships[0].version.stored.clear()
    assert (await resolve(server, source)).size == len(MODEL)


async def test_a_server_that_is_slow_or_down_is_asked_again(server: FakeWandb) -> None:
    source = WandbSource(answer_s=0.05)
    server.delay_s = 5
    with pytest.raises(Unreachable, match="did not answer within"):
        await resolve(server, source)
    server.url = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match="cannot be reached"):
        await resolve(server, source)
    await source.close()


async def test_what_is_no_server_is_told(server: FakeWandb, source: WandbSource) -> None:
    server.status = 404
    assert (await refused(server, source)).reason == "RegistryUnknown"
    server.url = "ftp://wandb.example"
    error = await refused(server, source)
    assert error.reason == "RegistryUnknown"
    assert "set WANDB_BASE_URL" in error.message
