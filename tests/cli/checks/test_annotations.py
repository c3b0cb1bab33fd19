"""Annotations of our group: which do nothing where they stand, and what Secrets must allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.cli.checks.annotations import READ, check_annotations
from tidegate.cli.checks.bundles import gathered
from tidegate.cli.checks.schema import check, is_ours

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.cli.checks.findings import Finding

MODEL = """
apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: flights, namespace: demo, %s}
spec:
  artifact: {uri: %s, format: onnx, credentialsRef: {name: key}}
  runtime: {v2: {}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: demo, %s}
data: {token: c2VjcmV0}
"""
URI = "https://models.example/v1.onnx"


def found(folder: Path, *documents: str) -> list[Finding]:
    file = folder / "all.yaml"
    file.write_text("---".join(documents))
    (bundle,) = gathered([file])
    ours = [check(one) for one in bundle.documents if is_ours(one)]
    others = [one for one in bundle.documents if not is_ours(one)]
    return list(check_annotations(ours, others, namespace=""))


def metadata(section: str, key: str) -> str:
    return f"{section}: {{{key}: x}}"


@pytest.mark.parametrize(
    ("kind", "section", "key", "says"),
    [
        ("Model", "annotations", "tidegate.dev/retrian", "tidegate.dev/retrain meant?"),
        ("Model", "annotations", "tidegate.dev/command", "it belongs to a Rollout"),
        ("Model", "labels", "tidegate.dev/approve", "make it an annotation"),
        ("Model", "annotations", "tidegate.dev/weight", "that are read are tidegate.dev/approve"),
        ("Secret", "annotations", "tidegate.dev/host", "tidegate.dev/hosts meant?"),
    ],
)
def test_what_nothing_reads_is_a_warning_with_the_mend(
    tmp_path: Path, kind: str, section: str, key: str, says: str
) -> None:
    text = SECRET if kind == "Secret" else MODEL.replace("uri: %s", "uri: s3://bucket/v1")
    (one,) = found(tmp_path, text % metadata(section, key))
    assert (one.rule, one.severity.value) == ("AnnotationUnknown", "warning")
    assert one.field == f"metadata.{section}[{key}]"
    assert one.message.startswith(f"nothing reads this of a {kind}: ")
    assert says in one.message
    assert one.spot.line > 1


@pytest.mark.parametrize(
    ("kind", "key"), [(k, each) for k, names in READ.items() for each in names]
)
def test_what_is_read_is_no_finding(tmp_path: Path, kind: str, key: str) -> None:
    document: dict[str, str] = {"Model": MODEL % (metadata("annotations", key), "s3://bucket/v1")}
    document["Secret"] = SECRET % metadata("annotations", key)
    document["Rollout"] = MODEL.replace("kind: Model", "kind: Rollout") % (
        *(metadata("annotations", key), URI),
    )
    assert found(tmp_path, document[kind]) == []


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ("labels: {}", ["does not say to which servers"]),
        ("annotations: {tidegate.dev/hosts: other.example}", ["may be sent to other.example"]),
        ("annotations: {tidegate.dev/hosts: models.example}", []),
    ],
)
def test_a_secret_must_allow_the_server_that_its_model_names(
    tmp_path: Path, annotations: str, says: list[str]
) -> None:
    given: list[Any] = found(tmp_path, MODEL % ("labels: {}", URI), SECRET % annotations)
    assert [one.rule for one in given] == ["SecretHosts"] * len(says)
    for one, words in zip(given, says, strict=True):
        assert words in one.message
        assert "c2VjcmV0" not in one.message
        assert "secret" not in one.message.replace("annotate secret", "")
