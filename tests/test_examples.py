"""Each example is what the CRDs accept, and what the manifests promise to serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.cli import build
from tidegate.controllers.revisions import server_image
from tidegate.demo.export import JOBLIB, ONNX, TRITON
from tidegate.demo.flights import COLUMNS
from tidegate.demo.run import ALIAS, EXAMPLE
from tidegate.domain.gates.golden import parse
from tidegate.domain.revision import digest, identity
from tidegate.local.schema.builtin import schema_for
from tidegate.local.schema.defaulting import default, prune
from tidegate.local.schema.validation import validate
from tidegate.settings import Settings
from tidegate.specs.container import PodFacts
from tidegate.specs.gate import gate_job
from tidegate.specs.metadata import Parent
from tidegate.specs.pod import pod_template

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.yaml"))
ISTIO = "07-istio.yaml"
STORY = EXAMPLES[:8]
"""Those that are applied one after the other; the later ones stand in for 02."""
KINDS: dict[str, type[Model] | type[Rollout]] = {"Model": Model, "Rollout": Rollout}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(YAML(typ="safe", pure=True).load_all(path.read_text()))


def ours() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.stem}-{document['kind']}", document)
        for path in EXAMPLES
        for document in documents(path)
        if document["apiVersion"] == "tidegate.dev/v1alpha1"
    ]


def schema_of(kind: str) -> dict[str, Any]:
    crd = documents(ROOT / "crds" / f"{kind.lower()}s.tidegate.dev.yaml")[0]
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize(("name", "document"), ours(), ids=[name for name, _ in ours()])
def test_an_example_is_valid_and_has_no_field_that_would_be_dropped(
    name: str, document: dict[str, Any]
) -> None:
    schema = schema_of(document["kind"])
    pruned, unknown = prune(schema, document)
    assert unknown == []
    assert validate(schema, default(schema, pruned)) == []
    parsed = KINDS[document["kind"]].model_validate(document)
    assert parsed.spec is not None


def test_the_files_are_numbered_without_gaps_and_say_what_they_show() -> None:
    assert [path.name[:2] for path in EXAMPLES] == [f"{n:02d}" for n in range(1, len(EXAMPLES) + 1)]
    page = (ROOT / "examples" / "README.md").read_text()
    for path in EXAMPLES:
        assert path.read_text().startswith("# ")
        assert f"[{path.name}]({path.name})" in page


def test_every_local_artifact_of_an_example_is_made_by_prepare() -> None:
    made = {f"v{number}.skops" for number in (1, 2, 3, 4)} | {ONNX, JOBLIB, "triton/"}
    uris = [spec["artifact"]["uri"] for spec in models(*EXAMPLES)]
    named = [uri.partition("/artifacts/")[2] for uri in uris if uri.startswith("file:")]
    assert set(named) <= made
    assert TRITON.startswith("triton/")


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_validate_finds_nothing_wrong_with_an_example(path: Path) -> None:
    done = CliRunner().invoke(build("validate"), ["validate", "-o", "json", str(path)])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["errors"], said["warnings"]) == (0, 0), said


def test_the_signature_is_what_the_models_are_trained_on() -> None:
    for name, document in ours():
        if document["kind"] == "Model":
            inputs = [tensor["name"] for tensor in document["spec"]["signature"]["inputs"]]
            assert inputs == list(COLUMNS), name


def models(*paths: Path) -> list[dict[str, Any]]:
    return [
        document["spec"]
        for path in paths
        for document in documents(path)
        if document["kind"] == "Model"
    ]


def test_the_golden_requests_are_what_the_model_takes_and_gives() -> None:
    config_map, document = documents(ROOT / "examples" / "18-gates.yaml")
    spec = Model.model_validate(document).spec
    named = [gate.requests.config_map_ref.name for gate in spec.gates if gate.requests]
    assert named == [config_map["metadata"]["name"]]
    assert spec.signature is not None
    (requests,) = [gate.requests for gate in spec.gates if gate.requests]
    given = [one.name for one in spec.signature.outputs]
    assert [one.name for one in requests.outputs or ()] == given
    for golden in parse(config_map["data"], name="golden", recorded=False):
        sent = [(one["name"], one["datatype"]) for one in golden.body["inputs"]]
        assert sent == [(one.name, one.type) for one in spec.signature.inputs]


def test_the_job_of_a_gate_is_what_the_api_server_takes() -> None:
    _, document = documents(ROOT / "examples" / "18-gates.yaml")
    gates = Model.model_validate(document).spec.gates
    (gate,) = [gate for gate in gates if gate.job is not None]
    parent = Parent(
        "flight-delay",
        "default",
        {
            "uid": "u",
            "kind": "Model",
            "name": "flight-delay",
            "apiVersion": "tidegate.dev/v1alpha1",
        },
    )
    job = gate_job(
        parent, gate, revision="flight-delay-1", gate_hash="0" * 16, url="http://10.0.0.9:8080"
    )
    schema = schema_for("batch", "v1", "Job")
    pruned, unknown = prune(schema, job)
    assert unknown == []
    assert validate(schema, default(schema, pruned)) == []


def test_only_the_artifact_differs_from_one_version_to_the_next() -> None:
    specs = models(*(path for path in STORY[2:] if path.name != ISTIO))
    artifacts = [spec.pop("artifact")["uri"] for spec in specs]
    assert [uri.rsplit("/", 1)[1] for uri in artifacts] == [f"v{n}.skops" for n in (1, 2, 3, 4)]
    assert all(spec == specs[0] for spec in specs)


def test_on_istio_only_the_traffic_section_differs() -> None:
    (usual,) = models(ROOT / "examples" / "03-rollout.yaml")
    (istio,) = models(ROOT / "examples" / ISTIO)
    assert istio.pop("traffic").keys() == {"istio"}
    assert usual.pop("traffic").keys() == {"gatewayAPI"}
    assert istio == usual


def test_the_demo_tells_its_story_with_these_files() -> None:
    (usual,) = models(ROOT / "examples" / "03-rollout.yaml")
    (ours,) = models(ROOT / "examples" / EXAMPLE)
    assert ours.pop("artifact")["uri"] == f"models:/flight-delay@{ALIAS}"
    assert usual.pop("artifact")
    assert ours == usual
    rollouts = [
        document["spec"]
        for name in ("03-rollout.yaml", EXAMPLE)
        for document in documents(ROOT / "examples" / name)
        if document["kind"] == "Rollout"
    ]
    assert rollouts[0] == rollouts[1]


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_pods_of_a_model_are_what_the_api_server_takes(path: Path) -> None:
    for document in documents(path):
        if document["kind"] != "Model":
            continue
        spec = Model.model_validate(document).spec
        facts = PodFacts(
            model="flight-delay",
            namespace="default",
            revision="flight-delay-1",
            image="tidegate/runtime-v2:1",
            server_image=server_image(spec.runtime, Settings()),
            location="file:///artifacts/x",
            sha256="a" * 64,
            size_limit_bytes=2**30,
            cache_claim="cache",
        )
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            **pod_template(spec, facts),
        }
        pod["metadata"] = {"name": "p", "namespace": "default", **pod["metadata"]}
        schema = schema_for("", "v1", "Pod")
        pruned, unknown = prune(schema, pod)
        assert unknown == []
        assert validate(schema, default(schema, pruned)) == []
        assert digest(identity(spec, sha256="a" * 64, image="i:1"))
