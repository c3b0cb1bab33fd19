"""`tidegate validate` on files that are odd or meant badly: it ends, in words, with its code."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.validating import MODEL, put

from tidegate.cli.checks.documents import MAX_VALUES, read_documents

if TYPE_CHECKING:
    from tests.cli.conftest import Validate

_ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
_MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize("text", [_ALIASES, _MERGES], ids=["aliases", "merged keys"])
def test_what_means_a_billion_values_is_refused_before_it_is_written_out(text: str) -> None:
    documents, (finding,) = read_documents(text, "bomb.yaml")
    assert not documents
    assert f"more than {MAX_VALUES} values" in finding.message


def test_what_contains_itself_is_refused() -> None:
    _, (finding,) = read_documents("a: &a [*a]\n", "self.yaml")
    assert "stands for what it is a part of" in finding.message


def test_an_alias_that_is_used_often_is_no_bomb() -> None:
    text = "a: &a {x: 1}\nb: [" + ", ".join(["*a"] * 1000) + "]\nc: {<<: *a, y: 2}\n"
    (document,), findings = read_documents(text, "x.yaml")
    assert not findings
    assert document.value["b"] == [{"x": 1}] * 1000
    assert document.value["c"] == {"x": 1, "y": 2}


def test_a_link_that_leads_to_itself_cannot_be_checked(validate: Validate) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    ran = validate("loop.yaml")
    assert ran.code == 2
    assert "loop.yaml cannot be read: Too many levels of symbolic links" in ran.err


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_name_that_is_no_utf_8_stands_in_every_report(validate: Validate, form: str) -> None:
    Path(os.fsdecode(b"n\xff.yaml")).write_text(MODEL.replace("onnx", "onxx"))
    for named in (".", os.fsdecode(b"n\xff.yaml")):
        ran = validate(named, "-o", form)
        assert ran.code == 1
        assert "xff.yaml" in ran.out.replace("%5C", "\\")


def test_what_cannot_be_read_in_a_folder_is_a_finding_beside_the_others(
    validate: Validate,
) -> None:
    put("all/model.yaml", MODEL.replace("onnx", "onxx"))
    Path("all/gone.yaml").symlink_to("nowhere")
    Path("all/utf16.yaml").write_text(MODEL, encoding="utf-16")
    Path("all/latin.yaml").write_bytes(b"name: caf\xe9\n")  # speaks of nothing of ours
    ran = validate("all", "-o", "json")
    assert ran.code == 1
    found = {(one["file"], one["rule"]) for one in json.loads(ran.out)["findings"]}
    assert {
        ("all/gone.yaml", "FileUnreadable"),
        ("all/utf16.yaml", "FileUnreadable"),
        ("all/model.yaml", "FieldValueNotSupported"),
    } <= found
    assert not [file for file, _ in found if "latin" in file]


def test_a_file_in_another_encoding_is_asked_for_in_utf_8(validate: Validate) -> None:
    content = MODEL.replace("flights", "caf\xe9").encode("latin-1")
    Path("x.yaml").write_bytes(content)
    ran = validate("x.yaml")
    assert ran.code == 2
    assert f"not written in UTF-8 (byte {content.index(0xE9) + 1}): save it so" in ran.err


def test_so_is_stdin(validate: Validate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Locale:
        def read(self) -> str:
            return b"name: caf\xe9".decode(errors="surrogateescape")

    monkeypatch.setattr(sys, "stdin", Locale())
    ran = validate("-")
    assert ran.code == 2
    assert "not written in UTF-8" in ran.err


@pytest.mark.parametrize("name", ["{{ .Values.name }}", "{{- .Values.name }}"])
def test_a_template_of_helm_says_what_to_pipe(validate: Validate, name: str) -> None:
    text = MODEL.replace("name: flights", f"name: {name}")
    ran = validate(put("chart/templates/model.yaml", text))
    assert ran.code == 1
    assert "pipe `helm template` into it" in ran.out
