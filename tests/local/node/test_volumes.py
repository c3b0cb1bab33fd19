"""Volumes are folders that hold what their sources hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.local.node.environment import Sources
from tidegate.local.node.paths import Mount
from tidegate.local.node.refusals import ConfigProblem
from tidegate.local.node.volumes import (
    Places,
    make,
    mounts_of,
    needed_claims,
    needed_sources,
    needed_tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = Sources(
    found={("configMap", "cfg"): {"a": b"1", "b": b"2"}, ("secret", "sec"): {"token": b"s"}}
)


def pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "demo", "uid": "u", "labels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"volumes": list(volumes)}}


def made(folder: Path, *volumes: dict[str, Any]) -> dict[str, Path]:
    places = Places(pod=folder / "pod", claims=folder / "claims")
    tokens = {"": "for-the-api", "vault": "for-the-vault"}
    return make(pod(*volumes), places=places, sources=SOURCES, address="127.64.0.9", tokens=tokens)


def test_config_maps_and_secrets_become_files(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        {"name": "c", "configMap": {"name": "cfg"}},
        {"name": "s", "secret": {"secretName": "sec"}},
        {"name": "one", "configMap": {"name": "cfg", "items": [{"key": "a", "path": "x/y"}]}},
    )
    assert (found["c"] / "a").read_text() == "1"
    token = found["s"] / "token"
    assert token.read_text() == "s"
    assert token.stat().st_mode & 0o077 == 0
    assert [path.name for path in found["one"].rglob("*")] == ["x", "y"]


def test_a_projected_volume_holds_several_sources(tmp_path: Path) -> None:
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    sources = [{"secret": {"name": "sec"}}, {"downwardAPI": {"items": [labels]}}]
    found = made(tmp_path, {"name": "p", "projected": {"sources": sources}})
    assert (found["p"] / "labels").read_text() == 'app="web"'
    assert (found["p"] / "token").read_text() == "s"


def test_a_claim_is_a_folder_that_outlives_the_pod(tmp_path: Path) -> None:
    claim = {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}
    assert made(tmp_path, claim)["cache"] == tmp_path / "claims" / "models"
    assert needed_claims(pod(claim)) == {"models"}


def test_a_missing_source_is_named_unless_it_is_optional(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match='secret "x" not found'):
        made(tmp_path, {"name": "s", "secret": {"secretName": "x"}})
    found = made(tmp_path, {"name": "s", "secret": {"secretName": "x", "optional": True}})
    assert list(found["s"].iterdir()) == []


def test_a_key_cannot_write_outside_its_volume(tmp_path: Path) -> None:
    items = [{"key": "a", "path": "../../evil"}]
    with pytest.raises(ConfigProblem, match="invalid path"):
        made(tmp_path, {"name": "c", "configMap": {"name": "cfg", "items": items}})


def test_sources_of_all_volumes_are_known_beforehand() -> None:
    found = needed_sources(
        pod(
            {"name": "c", "configMap": {"name": "cfg"}},
            {"name": "p", "projected": {"sources": [{"secret": {"name": "sec"}}]}},
        )
    )
    assert found == {("configMap", "cfg"), ("secret", "sec")}


def test_mounts_name_the_folder_or_a_part_of_it(tmp_path: Path) -> None:
    container = {
        "name": "c",
        "volumeMounts": [
            {"name": "v", "mountPath": "/all"},
            {"name": "v", "mountPath": "/mine", "subPathExpr": "$(POD)"},
        ],
    }
    found = mounts_of(container, {"v": tmp_path}, variables={"POD": "p1"})
    assert found == [Mount("/all", str(tmp_path)), Mount("/mine", str(tmp_path / "p1"))]
    assert (tmp_path / "p1").is_dir()
    with pytest.raises(ConfigProblem, match="no volume 'v'"):
        mounts_of(container, {}, variables={})


def projected(*requests: dict[str, Any]) -> dict[str, Any]:
    sources = [{"serviceAccountToken": request} for request in requests]
    return {"name": "t", "projected": {"sources": sources}}


def test_tokens_of_the_service_account_are_files_that_only_its_owner_reads(tmp_path: Path) -> None:
    volume = projected({"path": "token"}, {"path": "v/token", "audience": "vault"})
    assert needed_tokens(pod(volume)) == {"", "vault"}
    found = made(tmp_path, volume)["t"]
    assert (found / "token").read_text() == "for-the-api"
    assert (found / "v" / "token").read_text() == "for-the-vault"
    assert (found / "token").stat().st_mode & 0o077 == 0


def test_a_token_that_nobody_issues_fails_the_pod(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="nobody issues tokens here"):
        made(tmp_path, projected({"path": "token", "audience": "elsewhere"}))
