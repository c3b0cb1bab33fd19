"""What Models ask of a registry, checked before they are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.api.origin import Origin
from tidegate.cli.checks.documents import read_documents
from tidegate.cli.checks.registry import with_registry, without_registry
from tidegate.cli.checks.schema import Checked, check
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from tidegate.cli.checks.findings import Finding

MEASURED = Origin.model_validate(
    {
        "registry": "mlflow", "name": "flights", "version": "7",
        "metrics": [
            {"metric": "roc_auc", "value": 0.7, "dataset": "holdout", "digest": "sha256:aa"}
        ],
    }
)  # fmt: skip


def a_model(uri: str, more: str) -> Checked:
    text = (
        "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: flights}\nspec:\n"
        f"  artifact: {{uri: '{uri}', format: onnx}}\n  runtime: {{v2: {{}}}}\n{more}"
    )
    documents, findings = read_documents(text, "m.yaml")
    assert findings == []
    found = check(documents[0])
    assert found.findings == ()
    return found


async def asked(more: str, origin: Origin | Exception = MEASURED) -> list[Finding]:
    async def describe(uri: str) -> Origin:
        assert uri == "models:/flights@challenger"
        if isinstance(origin, Exception):
            raise origin
        return origin

    return await with_registry([a_model("models:/flights@challenger", more)], describe)


@pytest.mark.parametrize(
    ("gate", "rule", "says"),
    [
        ("metric: roc_auc, min: 0.65", None, ""),
        ("metric: roc_auc, relativeTo: stable, maxDrop: 0.01", None, ""),
        ("metric: roc_acu, min: 0.65", "MetricUnknown", "did you mean roc_auc?"),
        ("metric: f1, relativeTo: stable, maxDrop: 0.01", "MetricUnknown", "it has roc_auc"),
        ("metric: roc_auc, min: 0.65, dataset: 'sha256:bb'", "MetricUnknown", "sha256:aa"),
        ("metric: roc_auc, min: 0.8", "GateWouldFail", "roc_auc is 0.7, below min 0.8"),
    ],
)
async def test_gates_are_held_to_what_the_registry_has(
    gate: str, rule: str | None, says: str
) -> None:
    found = await asked(f"  gates:\n  - {{name: auc, {gate}}}\n")
    assert [one.rule for one in found] == ([rule] if rule else [])
    for one in found:
        assert says in one.message
        assert (one.spot.line, one.about) == (8, "Model flights")


async def test_a_version_that_is_not_there_is_an_error_and_a_registry_that_is_away_is_none() -> (
    None
):
    (gone,) = await asked("", Terminal("ArtifactNotFound", "no alias 'challenger'"))
    assert (gone.rule, gone.spot.line) == ("VersionUnknown", 5)
    for trouble in (Unreachable("down"), Terminal("RegistryUnknown", "is it MLflow?")):
        with pytest.raises(type(trouble)):
            await asked("", trouble)


async def test_what_lineage_requires_is_asked_too() -> None:
    (found,) = await asked("  lineage: {require: [gitCommit]}\n")
    assert found.rule == "LineageMissing"
    assert "does not know its gitCommit" in found.message


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("  gates: [{name: auc, metric: roc_auc, min: 0.65}]\n", "spec.gates[0].metric"),
        ("  lineage: {require: [run]}\n", "spec.lineage"),
        ("  approval: {groups: [ml-leads]}\n", "spec.approval"),
    ],
)
def test_an_artifact_in_no_registry_can_never_have_what_only_a_registry_says(
    more: str, path: str
) -> None:
    (found,) = without_registry([a_model("https://models.example/v1", more)])
    assert (found.rule, found.field, found.spot.line) == ("OriginUnknown", path, 7)
    assert not [*without_registry([a_model("models:/flights@challenger", more)])]


def test_a_plain_model_asks_for_nothing() -> None:
    none: list[Any] = [*without_registry([a_model("https://models.example/v1", "")])]
    assert none == []
