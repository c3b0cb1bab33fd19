"""The CustomResourceDefinitions: what an API server accepts, and what `kubectl explain` needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.api.crd import KINDS, Kind, definition
from tidegate.cli.crds import rendered
from tidegate.local.schema.structural import check_structural

if TYPE_CHECKING:
    from collections.abc import Iterator

CRDS = Path(__file__).parents[2] / "crds"
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def schema_of(kind: Kind) -> dict[str, Any]:
    (version,) = definition(kind)["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, sub in schema.get("properties", {}).items():
        yield f"{path}.{name}", sub
        yield from fields(sub, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


@each_kind
def test_the_schema_is_structural(kind: Kind) -> None:
    assert check_structural(schema_of(kind)) == []


@each_kind
def test_the_definition_is_small_enough_for_client_side_apply(kind: Kind) -> None:
    assert len(json.dumps(definition(kind))) < 100_000


@each_kind
def test_every_field_of_spec_and_status_is_described(kind: Kind) -> None:
    properties = schema_of(kind)["properties"]
    for part in ("spec", "status"):
        assert properties[part].get("description"), part
        bare = [path for path, sub in fields(properties[part], part) if not sub.get("description")]
        assert bare == []


@each_kind
def test_every_field_says_its_type(kind: Kind) -> None:
    for path, sub in fields(schema_of(kind)["properties"]["spec"], "spec"):
        assert "type" in sub, path


@each_kind
def test_no_field_of_the_status_has_a_default(kind: Kind) -> None:
    defaulted = [
        path
        for path, sub in fields(schema_of(kind)["properties"]["status"], "status")
        if "default" in sub
    ]
    assert defaulted == []


@each_kind
def test_every_list_of_the_spec_is_bounded(kind: Kind) -> None:
    for path, sub in fields(schema_of(kind)["properties"]["spec"], "spec"):
        if sub["type"] == "array":
            assert "maxItems" in sub, path


@each_kind
def test_columns_show_how_it_stands(kind: Kind) -> None:
    (version,) = definition(kind)["spec"]["versions"]
    names = [column["name"] for column in version["additionalPrinterColumns"]]
    assert {"Ready", "Age"} <= set(names)
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("name", sorted(rendered()))
def test_the_committed_file_is_up_to_date(name: str) -> None:
    assert (CRDS / name).read_text() == rendered()[name], "run `make crds`"
