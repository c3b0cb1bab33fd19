"""Where two specs differ: value by value, with paths that a person finds in a manifest."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.domain.edits import Change, differences

STEPS = [{"weight": 5, "duration": "10s"}, {"approval": {}}]
GATES = [{"name": "auc", "min": 0.6}, {"name": "golden", "tolerance": 0.1}]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="nothing differs"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", (1, 2))], id="a value inside"),
        pytest.param(
            {},
            {"scaling": {"minReplicas": 2, "maxReplicas": 4}},
            [("scaling.maxReplicas", (None, 4)), ("scaling.minReplicas", (None, 2))],
            id="what is added is told value by value",
        ),
        pytest.param(
            {"runtime": {"v2": {"batching": {"maxSize": 8}}}},
            {"runtime": {"seldon": {"threads": 4}}},
            [
                ("runtime.v2.batching.maxSize", (8, None)),
                ("runtime.seldon.threads", (None, 4)),
            ],
            id="one member of a union in the place of another",
        ),
        pytest.param(
            {"steps": STEPS},
            {"steps": [{"weight": 10, "duration": "10s"}]},
            [("steps[0].weight", (5, 10)), ("steps[1].approval", ({}, None))],
            id="entries without names are told by their place",
        ),
        pytest.param(
            {"gates": GATES},
            {"gates": [{"name": "golden", "tolerance": 0.2}]},
            [
                ("gates[auc].min", (0.6, None)),
                ("gates[auc].name", ("auc", None)),
                ("gates[golden].tolerance", (0.1, 0.2)),
            ],
            id="entries with names are told by them, wherever they stand",
        ),
        pytest.param(
            {"gates": GATES},
            {"gates": GATES[::-1]},
            [("gates", (["auc", "golden"], ["golden", "auc"]))],
            id="another order is a difference",
        ),
        pytest.param(
            {"hosts": ["a"]},
            {"hosts": ["a", "b"]},
            [("hosts", (["a"], ["a", "b"]))],
            id="a list of plain values is one value",
        ),
        pytest.param({"v2": {}}, {}, [("v2", ({}, None))], id="an empty mapping is a value"),
        pytest.param({"a": 1}, {"a": {"b": 1}}, [("a", (1, {"b": 1}))], id="another type"),
    ],
)
def test_differences_are_told_value_by_value(
    before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, Change]]
) -> None:
    assert sorted(differences(before, after)) == sorted(found)
