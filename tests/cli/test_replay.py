"""`tidegate replay`: from the cluster and from files, and what other settings would have said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAME, NAMESPACE, Site

from tidegate.kube.resources import CONFIGMAPS
from tidegate.specs.record import selector

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tidegate

BETTER = "https://models/v2"


async def promoted(site: Site) -> dict[str, Any]:
    """A delivery that was promoted; its record as kubectl exports it."""
    await site.start()
    await site.ask_for(BETTER)
    await site.until("Healthy")
    await site.pass_time(seconds=2)
    listed = await site.kube.user.list(
        CONFIGMAPS, namespace=NAMESPACE, label_selector=selector(NAME)
    )
    (record,) = listed.items
    return record


async def test_the_cluster_and_an_exported_file_say_the_same(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    record = await promoted(site)
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"kind": "List", "items": [record]}))
    ran = await tidegate("replay", NAME)
    assert (ran.code, ran.err) == (0, "")
    assert "0 differ" in ran.out
    assert "Promoting → Healthy, Promoted" in ran.out
    from_file = await tidegate("replay", str(file), operator=False)
    assert from_file.code == 0
    assert from_file.out == ran.out
    document = (await tidegate("replay", str(file), "-o", "json", operator=False)).document
    assert document["same"] is True
    assert document["record"] == record["metadata"]["name"]
    assert [entry["verdict"] for entry in document["verdicts"]] == ["Promote"]


async def test_a_record_that_was_tampered_with_is_found_out(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    record = await promoted(site)
    file = tmp_path / "record.json"
    for key, text in record["data"].items():
        record["data"][key] = text.replace('"candidate":[50,0', '"candidate":[50,20', 1)
    file.write_text(json.dumps(record))
    ran = await tidegate("replay", str(file), operator=False)
    assert ran.code == 1
    assert "DIFFERS: " in ran.out


async def test_rows_that_are_missing_are_said(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    record = await promoted(site)
    key = sorted(record["data"])[-1]
    lines = record["data"][key].splitlines(keepends=True)
    record["data"][key] = "".join(lines[:2] + lines[3:])
    file = tmp_path / "record.json"
    file.write_text(json.dumps(record))
    ran = await tidegate("replay", str(file), operator=False)
    assert ran.code == 1
    assert "the record is not whole: rows " in ran.out


async def test_other_settings_say_when_they_would_have_decided(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps(await promoted(site)))

    async def what_if(*options: str) -> list[dict[str, Any]]:
        ran = await tidegate("replay", str(file), *options, "-o", "json", operator=False)
        assert ran.code == 0, ran.err
        found: list[dict[str, Any]] = ran.document["whatIf"]
        return found

    (as_it_was,) = await what_if("--set", "falsePromotionRate=0.05")
    (easier,) = await what_if("--margin", "errors.absolute=0.05", "--set", "falsePromotionRate=0.2")
    assert easier["at"] <= as_it_was["at"]
    assert await what_if("--set", "minRequests=1000000") == []
    shown = await tidegate("replay", str(file), "--set", "minRequests=1000000", operator=False)
    assert "with the change: no verdict in " in shown.out


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--set", "interval=3"), 2, "falseRollbackRate"),
        (("--set", "minRequests=many"), 2, "is no number"),
        (("--margin", "errors=2"), 2, "METRIC.FIELD=VALUE"),
        (("--margin", "nothing.ratio=2"), 1, "there is no metric nothing"),
        (("--margin", "latency.ratio=2"), 1, "latency bounds are frozen"),
        (("--margin", "errors.ratio=-1"), 1, "greater than 0"),
        (("--at", "9"), 1, "no record of attempt 9"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    site: Site,
    tidegate: Tidegate,
    tmp_path: Path,
    options: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    file = tmp_path / "record.yaml"
    file.write_text(json.dumps(RECORD))
    ran = await tidegate("replay", str(file), *options, operator=False)
    assert ran.code == code
    assert says in " ".join(ran.err.split())


SPEC = {
    "modelRef": {"name": "m"},
    "strategy": {"canary": {"steps": [{"weight": 5}]}},
    "analysis": {
        "metrics": [
            {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.01}},
            {"name": "latency", "type": "Latency", "margin": {"ratio": 1.5}},
        ]
    },
}
AT = "2026-01-05T12:00:00Z"
ROWS = [
    [1, "begin", AT, {"model": "m", "rollout": "r", "attempt": 1, "candidate": "m-2"}],
    [2, "spec", AT, {"generation": 1, "spec": SPEC}],
]
RECORD = {
    "kind": "ConfigMap",
    "metadata": {"name": "m-attempt-1-abcde", "labels": {"tidegate.dev/attempt": "1"}},
    "data": {
        "format": "tidegate.dev/record/v1",
        "rows-000001.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    },
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no YAML or JSON file"),
        ("kind: Secret", "holds no ConfigMap"),
        ('{"kind": "ConfigMap", "metadata": {"name": "x"}}', "this is no decision record"),
    ],
)
async def test_a_file_that_is_no_record_says_how_to_get_one(
    site: Site, tidegate: Tidegate, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "record.yaml"
    file.write_text(text)
    ran = await tidegate("replay", str(file), operator=False)
    assert ran.code == 1
    assert says in ran.err
