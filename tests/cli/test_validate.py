"""`tidegate validate`: what it finds, and where it says it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.validating import ALL, GATEWAY, MODEL, ROLLOUT, put

from tidegate.traffic.gateway_api import GatewayAPIProvider

if TYPE_CHECKING:
    from tests.cli.conftest import Validate


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
