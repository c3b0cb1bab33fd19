"""Versions of CRDs that could not be served as they say."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.crdversions import problems

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"color": {"type": "string"}, "tags": {"type": "array"}},
        }
    },
}
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
COLUMN = {"name": "C", "type": "string", "jsonPath": ".spec.color"}


def version(**more: Any) -> dict[str, Any]:
    return {"name": "v1", "schema": {"openAPIV3Schema": SCHEMA}, **more}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"name": "v1alpha1"},
        {"additionalPrinterColumns": [COLUMN, {**COLUMN, "format": "date-time"}]},
        {"subresources": {"status": {}, "scale": {**SCALE, "labelSelectorPath": ".status.s"}}},
        {"selectableFields": [{"jsonPath": ".spec.color"}]},
    ],
)
def test_a_sound_version_is_taken(more: dict[str, Any]) -> None:
    assert problems(version(**more), 0, alone=True) == []


@pytest.mark.parametrize(
    ("more", "field", "said"),
    [
        ({"name": "V1"}, "spec.versions[0].name", "a DNS-1035 label must consist"),
        (
            {"additionalPrinterColumns": [{**COLUMN, "type": "strin"}]},
            "spec.additionalPrinterColumns[0].type",
            "must be one of boolean,date,integer,number,string",
        ),
        (
            {"additionalPrinterColumns": [{**COLUMN, "jsonPath": "spec.color"}]},
            "spec.additionalPrinterColumns[0].JSONPath",
            "must be a simple json path starting with .",
        ),
        (
            {"additionalPrinterColumns": [{**COLUMN, "name": ""}]},
            "spec.additionalPrinterColumns[0].name",
            "Required value",
        ),
        (
            {"subresources": {"scale": {**SCALE, "specReplicasPath": ".status.replicas"}}},
            "spec.subresources.scale.specReplicasPath",
            "should be a json path under .spec",
        ),
        (
            {"subresources": {"scale": {"specReplicasPath": ".spec.replicas"}}},
            "spec.subresources.scale.statusReplicasPath",
            "Required value",
        ),
        (
            {"selectableFields": [{"jsonPath": ".spec.tags"}]},
            "spec.selectableFields[0].jsonPath",
            "must point to a field of type string, boolean or integer",
        ),
        (
            {"selectableFields": [{"jsonPath": ".spec.none"}]},
            "spec.selectableFields[0].jsonPath",
            "does not refer to a valid field",
        ),
        (
            {"selectableFields": [{"jsonPath": ".metadata.name"}]},
            "spec.selectableFields[0].jsonPath",
            "must not point to fields in metadata",
        ),
    ],
)
def test_what_could_not_work_is_refused(more: dict[str, Any], field: str, said: str) -> None:
    (found,) = problems(version(**more), 0, alone=True)
    assert found["field"] == field
    assert said in found["message"]


def test_of_several_versions_the_one_at_fault_is_named() -> None:
    column = {"additionalPrinterColumns": [{**COLUMN, "type": ""}]}
    (found,) = problems(version(**column), 2, alone=False)
    assert found["field"] == "spec.versions[2].additionalPrinterColumns[0].type"
