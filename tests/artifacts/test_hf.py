"""hf:// against a hub in small that speaks the documented wire format."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest
from tests.artifacts.authority import own_authority

from tidegate.artifacts.base import Limits, Resolved
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.hf.reference import Reference, located, reference
from tidegate.artifacts.hf.source import HfSource
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.errors import Terminal, Unreachable
from tidegate.testing.hub import FakeHub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODEL = b"weights " * 1000
FILES = {"model.onnx": MODEL, "README.md": b"# Fraud", "sub/config.json": b"{}"}
URI = "hf://acme/fraud@main/model.onnx"


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with FakeHub.start() as found:
        found.commit("main", FILES)
        yield found


@pytest.fixture
async def source() -> AsyncIterator[HfSource]:
    found = HfSource()
    yield found
    await found.close()


async def resolve(
    hub: FakeHub, source: HfSource, uri: str = URI, *, format: str = "onnx",
    previous: Resolved | None = None, token: str = "",
) -> Resolved:  # fmt: skip
    secret = Credentials("hub", {"HF_ENDPOINT": hub.url, **({"HF_TOKEN": token} if token else {})})
    return await source.resolve(
        uri, format=format, sha256=None, previous=previous, credentials=secret
    )


def fetch(location: str, token: str = "", **keys: str) -> dict[str, bytes]:
    """What a pod gets: contents by path, of a file by an empty one."""
    fetcher = fetcher_for(location, Credentials("hub", {"HF_TOKEN": token, **keys}))
    if located(location)[2].is_folder:
        places = {entry.path: entry.location for entry in fetcher.files(location)}
    else:
        places = {"": location}
    found = {}
    for path, place in places.items():
        with fetcher.open(place, offset=0) as stream:
            found[path] = b"".join(stream.chunks)
    return found


NAMED = [
    ("hf://acme/fraud", Reference(repository="acme/fraud", revision="main")),
    ("hf://acme/fraud@v1.0", Reference(repository="acme/fraud", revision="v1.0")),
    (
        "hf://acme/fraud@main/a/model.onnx",
        Reference(repository="acme/fraud", revision="main", path="a/model.onnx"),
    ),
    ("hf://acme/fraud/a/", Reference(repository="acme/fraud", revision="main", path="a/")),
]


@pytest.mark.parametrize(("uri", "named"), NAMED)
def test_a_uri_names_a_repository_a_revision_and_a_path(uri: str, named: Reference) -> None:
    assert reference(uri) == named


@pytest.mark.parametrize(
    "uri", ["hf://acme", "hf:///x", "hf://acme/fraud@", "hf://a b/c", "hf://acme/fraud@main/../x"]
)
def test_what_names_none_is_refused(uri: str) -> None:
    with pytest.raises(Terminal):
        reference(uri)


async def test_a_large_file_is_known_by_the_hubs_hash_and_fetched_at_its_commit(
    hub: FakeHub, source: HfSource
) -> None:
    commit = hub.branches["main"]
    found = await resolve(hub, source)
    assert (found.sha256, found.size) == (hashlib.sha256(MODEL).hexdigest(), len(MODEL))
    assert (found.version, found.immutable, found.kind) == (commit, True, "file")
    assert not [path for path in hub.asked if "/resolve/" in path]  # no byte of it was read
    hub.commit("main", {"model.onnx": b"another"})
    assert await asyncio.to_thread(fetch, found.location) == {"": MODEL}


async def test_a_folder_is_a_tree_whose_small_files_are_hashed_here(
    hub: FakeHub, source: HfSource
) -> None:
    for uri, prefix in (("hf://acme/fraud@main", ""), ("hf://acme/fraud@main/sub/", "sub/")):
        found = await resolve(hub, source, uri, format="custom")
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


async def test_a_branch_costs_one_request_while_it_stands_and_a_commit_none(
    hub: FakeHub, source: HfSource
) -> None:
    first = await resolve(hub, source)
    hub.asked.clear()
    assert await resolve(hub, source, previous=first) is first
    assert len(hub.asked) == 1
    uri = f"hf://acme/fraud@{first.version}/model.onnx"
    pinned = await resolve(hub, source, uri)
    hub.asked.clear()
    assert await resolve(hub, source, uri, previous=pinned) is pinned
    assert hub.asked == []
    hub.commit("main", {"model.onnx": b"another"})
    assert (await resolve(hub, source, previous=first)).sha256 != first.sha256


async def test_the_token_goes_to_the_hub_and_not_to_its_store(
    hub: FakeHub, source: HfSource
) -> None:
    hub.token = "hf_secret"
    found = await resolve(hub, source, token="hf_secret")
    assert await asyncio.to_thread(fetch, found.location, "hf_secret") == {"": MODEL}
    assert hub.told_store == [None]
    with pytest.raises(Terminal, match="HF_TOKEN") as caught:
        await resolve(hub, source)
    assert caught.value.reason == "ArtifactForbidden"
    assert "hf_secret" not in str(caught.value)


async def test_the_origin_says_what_the_model_card_claims(hub: FakeHub, source: HfSource) -> None:
    metrics = [{"type": "roc_auc", "value": 0.91}, {"type": "odd", "value": "high"}]
    data = {"name": "payments", "revision": "abc"}
    hub.card = {"model-index": [{"results": [{"dataset": data, "metrics": metrics}]}]}
    origin = (await resolve(hub, source)).origin
    assert origin is not None
    assert (origin.registry, origin.name, origin.alias) == ("huggingface", "acme/fraud", "main")
    [measured] = origin.metrics
    assert (measured.metric, measured.value, measured.digest) == ("roc_auc", 0.91, "abc")
    assert origin.author is None


@pytest.mark.parametrize(
    ("uri", "format_", "reason"),
    [
        ("hf://acme/nothing@main/model.onnx", "onnx", "ArtifactNotFound"),
        ("hf://acme/fraud@nobranch/model.onnx", "onnx", "ArtifactNotFound"),
        ("hf://acme/fraud@main/missing.onnx", "onnx", "ArtifactNotFound"),
        ("hf://acme/fraud@main/missing/", "custom", "ArtifactNotFound"),
        ("hf://acme/fraud@main", "onnx", "FormatMismatch"),
    ],
)
async def test_what_is_not_there_is_told(
    hub: FakeHub, source: HfSource, uri: str, format_: str, reason: str
) -> None:
    with pytest.raises(Terminal) as caught:
        await resolve(hub, source, uri, format=format_)
    assert caught.value.reason == reason


async def test_what_is_too_large_is_refused_before_it_is_read(hub: FakeHub) -> None:
    source = HfSource(limits=Limits(max_bytes=100))
    with pytest.raises(Terminal) as caught:
        await resolve(hub, source)
    assert caught.value.reason == "TooLarge"
    await source.close()


async def test_a_list_that_goes_on_at_another_server_is_not_followed_with_the_token(
    hub: FakeHub, source: HfSource
) -> None:
    hub.page = 1
    found = await resolve(hub, source, "hf://acme/fraud@main/", format="custom", token="t")
    hub.elsewhere = True
    with pytest.raises(Terminal, match="is no page of it") as here:
        await resolve(hub, source, "hf://acme/fraud@main/", format="custom", token="t")
    with pytest.raises(Terminal, match="is no page of it") as in_a_pod:
        await asyncio.to_thread(fetch, found.location, "t")
    assert here.value.reason == in_a_pod.value.reason == "ArtifactForbidden"


async def test_a_hub_may_have_a_certificate_of_an_authority_that_the_secret_names(
    source: HfSource, tmp_path: Path
) -> None:
    tls, authority = own_authority(tmp_path)
    async with FakeHub.start(tls=tls) as hub:
        hub.commit("main", FILES)
        with pytest.raises(Unreachable, match="certificate"):
            await resolve(hub, source)
        own = Credentials("hub", {"HF_ENDPOINT": hub.url, "ca.crt": authority})
        found = await source.resolve(
            "hf://acme/fraud@main", format="custom", sha256=None, previous=None, credentials=own
        )
        got = await asyncio.to_thread(fetch, found.location, **{"ca.crt": authority})
        assert got == FILES
