"""What the init container is given: no more than it needs, and no secret where others look."""

from __future__ import annotations

from typing import Any

from tidegate.api.artifact import Artifact
from tidegate.artifacts.pvc import MOUNTED_AT
from tidegate.specs.fetching import CLAIM_PATH, fetch_args, fetch_env, fetch_mounts, fetch_volumes


def an_artifact(**fields: Any) -> Artifact:
    return Artifact.model_validate({"uri": "https://models/v1", "format": "onnx", **fields})


def args(artifact: Artifact, **changed: Any) -> list[str]:
    given = {"location": artifact.uri, "kind": "file", "sha256": "a" * 64, "cache": "/cache"}
    return fetch_args(artifact, **given | changed, size_limit_bytes=10)


def test_an_artifact_for_everybody_needs_no_volume() -> None:
    artifact = an_artifact()
    assert fetch_mounts(artifact, location=artifact.uri) == []
    assert fetch_volumes(artifact, location=artifact.uri) == []
    assert fetch_env(artifact, location=artifact.uri) == []
    assert "--credentials" not in args(artifact)
    assert "--kind" not in args(artifact)
    assert args(artifact, kind="tree")[-2:] == ["--kind", "tree"]


def test_a_pickle_of_mlflow_is_let_in_only_where_the_model_allows_it() -> None:
    assert "--no-pickle" not in args(an_artifact())
    assert "--no-pickle" in args(an_artifact(format="mlflow"))
    assert "--no-pickle" not in args(an_artifact(format="mlflow", allowPickle=True))


def test_a_secret_is_a_volume_that_may_be_absent_and_its_name_the_only_argument() -> None:
    artifact = an_artifact(credentialsRef={"name": "reader"})
    (mount,) = fetch_mounts(artifact, location=artifact.uri)
    (volume,) = fetch_volumes(artifact, location=artifact.uri)
    assert mount["readOnly"] is True
    assert volume["secret"]["secretName"] == "reader"
    assert volume["secret"]["optional"] is True
    assert args(artifact)[-4:] == ["--credentials", mount["mountPath"], "--secret", "reader"]


def test_a_claim_is_mounted_read_only_where_its_source_looks() -> None:
    artifact = an_artifact(uri="pvc://models/v1/model.onnx", sha256="a" * 64)
    (mount,) = fetch_mounts(artifact, location=artifact.uri)
    (volume,) = fetch_volumes(artifact, location=artifact.uri)
    assert mount == {"name": "claim", "mountPath": CLAIM_PATH, "readOnly": True}
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert fetch_env(artifact, location=artifact.uri) == [{"name": MOUNTED_AT, "value": CLAIM_PATH}]
