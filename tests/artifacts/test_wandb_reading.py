"""What wandb:// URIs, manifests and answers say, and what is made of those that say nonsense."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.wandb import queries
from tidegate.artifacts.wandb.manifest import choose, parse_manifest
from tidegate.artifacts.wandb.membership import version_in
from tidegate.artifacts.wandb.organization import organizations
from tidegate.artifacts.wandb.origin import origin
from tidegate.artifacts.wandb.reference import Place, Reference, placed, reference
from tidegate.artifacts.wandb.server import (
    CLOUD,
    Answer,
    Server,
    answered,
    check_address,
    is_too_new,
    next_page,
    refusal,
    server_of,
)
from tidegate.errors import Terminal, TidegateError, Unreachable

MD5 = base64.b64encode(b"0123456789abcdef").decode()
SERVER = Server("https://wandb.example", Credentials("wandb", {"WANDB_API_KEY": "s3cret"}))


def named(**changed: str) -> Reference:
    parts = {"entity": "acme", "project": "fraud", "name": "model", "alias": "prod"}
    return Reference(**{**parts, **changed})


NAMED = [
    ("wandb://acme/fraud/model:prod", named()),
    ("wandb://Acme/fraud/model:v3", named(entity="Acme", alias="v3")),
    ("wandb://acme/my%20fraud/model:prod", named(project="my fraud")),
    ("wandb://acme/fraud/model:prod/a/model.onnx", named(path="a/model.onnx")),
    ("wandb://acme/fraud/model:prod/a/", named(path="a/")),
    ("wandb://acme/fraud/model:prod/", named()),
]


@pytest.mark.parametrize(("uri", "found"), NAMED)
def test_a_uri_names_an_artifact_an_alias_or_version_and_a_path(uri: str, found: Reference) -> None:
    assert reference(uri) == found


def test_a_version_and_a_registry_are_known_by_their_names() -> None:
    assert [named(alias=alias).is_version for alias in ("v0", "v12", "prod", "vx", "latest")] == [
        True, True, False, False, False
    ]  # fmt: skip
    assert named(project="wandb-registry-model").is_registry
    assert not named().is_registry


@pytest.mark.parametrize(
    "uri",
    [
        "wandb://",
        "wandb://acme",
        "wandb://acme/fraud",
        "wandb://acme/fraud/model",
        "wandb://acme/fraud/model:",
        "wandb://acme/fraud/:prod",
        "wandb://acme//model:prod",
        "wandb:///fraud/model:prod",
        "wandb://acme/fraud/model:a:b",
        "wandb://acme/fraud/model:prod//x",
        "wandb://acme/fraud/model:prod?x",
        "wandb://acme/fraud/model:prod/x#y",
        "wandb://acme/fraud/model:prod/../x",
        "wandb://acme/fraud/mo%2Fdel:prod",
        "wandb://acme/fraud/mo%0Adel:prod",
        "wandb://user:key@host/fraud/model:prod",
        "wandb://acme/fraud/" + "m" * 129 + ":prod",
    ],
)
def test_what_names_none_is_refused(uri: str) -> None:
    with pytest.raises(Terminal) as caught:
        reference(uri)
    assert caught.value.reason in ("UriInvalid", "UnsafePath")


@pytest.mark.parametrize("path", ["", "a/b c/", "odd %2F?#.bin"])
@pytest.mark.parametrize("url", ["https://api.wandb.ai", "http://host:8080/wandb"])
def test_a_location_says_all_that_a_pod_needs(path: str, url: str) -> None:
    place = Place(
        url=url, entity="Acme Inc", project="a b", name="model", version="v3",
        id="QXJ0aWZhY3Q6MQ==", path=path,
    )  # fmt: skip
    assert place.location.startswith(f"wandb+{url}/artifacts/Acme%20Inc/a%20b/model/v3/")
    assert placed(place.location) == place


@pytest.mark.parametrize(
    "location",
    ["wandb+https://h/x", "https://h/artifacts/a/b/c/v1/i/", "wandb+https://h/artifacts/a"],
)
def test_what_is_no_place_is_refused(location: str) -> None:
    with pytest.raises(Terminal, match="UriInvalid"):
        placed(location)


def test_the_server_is_wandbs_own_unless_the_secret_names_one() -> None:
    assert server_of(Credentials()).endpoint == f"{CLOUD}/graphql"
    assert server_of(Credentials()).headers == {}
    own = Credentials("wandb", {"WANDB_BASE_URL": "https://w.example/", "WANDB_API_KEY": "k"})
    assert server_of(own).endpoint == "https://w.example/graphql"
    login = base64.b64encode(b"api:k").decode()
    assert server_of(own).headers == {"authorization": f"Basic {login}"}


@pytest.mark.parametrize(
    "url", ["wandb.example", "ftp://w", "https://u:p@w", "https://w/?a=b", "https://w/artifacts/x"]
)
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Terminal, match="set WANDB_BASE_URL in the Secret 'wandb'"):
        server_of(Credentials("wandb", {"WANDB_BASE_URL": url}))


def manifest(contents: Any, version: int = 1) -> bytes:
    return json.dumps({"version": version, "contents": contents}).encode()


BROKEN = [
    b"no json", b"[]", b"{}", manifest([]), manifest({}, version=2), manifest({"a": "x"}),
    manifest({"a": {"size": 1}}), manifest({"a": {"digest": "AAAA"}}),
    manifest({"a": {"digest": "!"}}), manifest({"a": {"digest": 7}}),
    manifest({"a": {"digest": MD5, "size": -1}}), manifest({"a": {"digest": MD5, "size": "1"}}),
    manifest({"a": {"digest": MD5, "extra": {"alg": "CRC"}}}),
    manifest({"a": {"digest": MD5, "extra": []}}) + b"}",
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(Terminal) as caught:
        parse_manifest(content, what="acme/fraud/model:prod")
    assert caught.value.reason == "ArtifactInvalid"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a\\b", "a\nb", ""])
def test_a_path_that_leaves_the_artifact_is_refused(path: str) -> None:
    with pytest.raises(Terminal) as caught:
        parse_manifest(manifest({path: {"digest": MD5}}), what="x")
    assert caught.value.reason == "UnsafePath"


def test_too_many_files_and_none_are_refused() -> None:
    many = {f"f{number}": {"digest": MD5} for number in range(10_001)}
    with pytest.raises(Terminal, match="TooManyFiles"):
        parse_manifest(manifest(many), what="x")
    nothing = parse_manifest(manifest({}), what="x")
    with pytest.raises(Terminal, match="it holds no files"):
        choose(nothing, path="", format="custom", what="x")


def test_a_long_list_is_told_in_short() -> None:
    files = parse_manifest(manifest({f"f{n}": {"digest": MD5} for n in range(9)}), what="x")
    with pytest.raises(Terminal, match="f0, f1, f2, f3, f4 and 4 more, and onnx is one file"):
        choose(files, path="", format="onnx", what="acme/fraud/model:prod")


def answer(status: int, said: object) -> TidegateError:
    with pytest.raises(TidegateError) as caught:
        answered(SERVER, status, json.dumps(said).encode(), what="artifact x")
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (401, {"error": "user is not logged in"}, "ArtifactForbidden"),
        (403, {}, "ArtifactForbidden"),
        (200, {"errors": [{"message": "permission denied"}], "data": None}, "ArtifactForbidden"),
        (404, {"errors": [{"message": "project not found"}]}, "ArtifactNotFound"),
        (400, {"errors": [{"message": 'Cannot query field "x"'}]}, "RegistryUnknown"),
        (200, {"errors": [{"message": "deadline exceeded"}]}, "Unreachable"),
        (503, "away", "Unreachable"),
        (429, {}, "Unreachable"),
        (302, "moved", "RegistryUnknown"),
        (200, "a page to log in", "RegistryUnknown"),
        (200, {}, "RegistryUnknown"),
        (200, {"data": "x"}, "RegistryUnknown"),
        (404, {"message": "no such page"}, "RegistryUnknown"),
    ],
)
def test_an_answer_without_what_was_asked_for_says_why(
    status: int, said: object, reason: str
) -> None:
    error = answer(status, said)
    assert isinstance(error, Terminal | Unreachable)
    assert error.reason == reason
    assert "W&B at https://wandb.example" in error.message


def test_nothing_in_an_answer_is_nothing_that_this_key_may_read() -> None:
    found = answered(SERVER, 200, b'{"data": {"project": null}}', what="x")
    assert found.at("project") is None
    assert "that this key may read" in str(refusal(SERVER, found, what="project a/b"))


def test_a_server_that_does_not_know_a_field_is_asked_without_it() -> None:
    assert is_too_new(answer(400, {"errors": [{"message": 'Cannot query field "runInfo"'}]}))
    assert not is_too_new(answer(503, {}))
    without = queries.without_run_info(queries.VERSION)
    assert "runInfo" not in without
    assert without.count("{") == without.count("}")


def test_an_address_that_is_none_or_leads_out_of_https_is_refused() -> None:
    assert check_address(SERVER, "https://store/x?s=1", what="x") == "https://store/x?s=1"
    with pytest.raises(Terminal, match="ArtifactNotFound"):
        check_address(SERVER, None, what="x")
    with pytest.raises(Terminal, match="ArtifactForbidden") as caught:
        check_address(SERVER, "http://store/x?Signature=s3cret", what="x")
    assert "s3cret" not in str(caught.value)


def test_an_origin_is_made_of_whatever_there_is() -> None:
    empty = origin(named(alias="v3"), version="v3", told={})
    assert (empty.alias, empty.run, empty.author, empty.metrics) == (None, None, None, [])
    told = {
        "createdAt": "2026-05-03T11:54:38", "metadata": "no json",
        "createdBy": {
            "__typename": "Run", "name": "r1", "commit": None,
            "summaryMetrics": '{"a": 1e999, "b": NaN, "c": {"d": {"e": 2}}, "m": {"_type": "x"}}',
        },
    }  # fmt: skip
    found = origin(named(), version="v3", told=told)
    assert (found.created, found.run) == ("2026-05-03T11:54:38Z", "r1")
    assert [(one.metric, one.value) for one in found.metrics] == [("c.d.e", 2.0)]
    person = origin(named(), version="v3", told={"createdBy": {"username": "ada"}})
    assert (person.author, person.run) == ("ada", None)


NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\#?%:@"),
    min_size=1,
    max_size=9,
)


@given(NAMES, NAMES, NAMES, NAMES)
def test_whatever_people_call_things_a_uri_and_a_location_say(
    entity: str, project: str, name: str, alias: str
) -> None:
    found = reference(f"wandb://{entity}/{project}/{name}:{alias}")
    assert found == Reference(entity=entity, project=project, name=name, alias=alias)
    place = Place(
        url="https://w", entity=entity, project=project, name=name, version="v1", id="i", path=alias
    )
    assert placed(place.location) == place


WORDS = st.sampled_from(
    [
        "project", "artifactCollectionMembership", "artifactCollection", "artifactMembership",
        "artifact", "versionIndex", "id", "state", "digest", "name", "entity", "files", "edges",
        "node", "pageInfo", "hasNextPage", "endCursor", "directUrl", "organization", "user",
        "organizations", "orgEntity", "createdBy", "__typename", "createdAt", "tags", "metadata",
        "summaryMetrics", "runInfo", "git", "commit", "inputArtifacts", "artifactType", "version",
        "contents", "size", "ref", "extra", "alg",
    ]
)  # fmt: skip
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from(["Run", "dataset", "COMMITTED", '{"a": 1}', MD5])
)  # fmt: skip
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5)
)
NESTED = st.dictionaries(WORDS, JSON, max_size=6)


@given(NESTED)
def test_whatever_a_server_says_ends_in_a_condition_and_not_in_a_traceback(
    said: dict[str, Any],
) -> None:
    found = Answer({**said, "entity": said}, [said])
    with contextlib.suppress(TidegateError):
        version_in(found, server=SERVER, named=named(), entity="acme")
    with contextlib.suppress(TidegateError):
        inside = {
            "artifactCollectionMembership": {**said, "artifact": {**said, "state": "COMMITTED"}}
        }
        version_in(Answer({"project": inside}, []), server=SERVER, named=named(), entity="acme")
    membership = {"artifactMembership": {"files": said}}
    next_page(Answer({"project": {"artifactCollection": membership}}, []))
    organizations(found)
    origin(named(), version="v1", told={**said, "createdBy": {**said, "__typename": "Run"}})
    with contextlib.suppress(TidegateError):
        parse_manifest(manifest({"a": said, "b": {**said, "digest": MD5}}), what="x")
    with contextlib.suppress(TidegateError):
        answered(SERVER, 200, json.dumps(said).encode(), what="x")
