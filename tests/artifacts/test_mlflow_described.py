"""Reading the file MLmodel, whoever wrote it."""

from __future__ import annotations

import pytest

from tidegate.artifacts.mlflow.described import MAX_BYTES, MAX_PARTS, described

DOUBLING = "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))
DEEP = "[" * 5000


def test_what_mlflow_writes_is_read() -> None:
    wide = ", ".join(f'{{"name": "c{n}", "type": "double"}}' for n in range(10_000))
    said = described(f"flavors: {{onnx: {{data: a}}}}\nsignature: {{inputs: '[{wide}]'}}\n")
    assert said["flavors"] == {"onnx": {"data": "a"}}
    assert len(said["signature"]["inputs"]) > 300_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"a0: &a0 {{k: 1}}\n{DOUBLING}", "it merges keys"),
        ("a: &a {k: 1}\nb: {!!merge x: *a}", "it merges keys"),
        ("%YAML 1.1\n---\na: 1:" + "1:" * 1000 + "1", "another version of YAML"),
        (f"a: [{'b,' * MAX_PARTS}]", "more than 20000 parts"),
        ("a: b\n#" + "#" * MAX_BYTES, "larger than"),
        (f"a: {DEEP}", "nested too deep|while parsing"),
        ("- a", "it is no mapping"),
        ("a: [", "while parsing"),
    ],
)
def test_what_could_take_for_ever_or_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        described(text)
