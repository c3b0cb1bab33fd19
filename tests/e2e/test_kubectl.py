"""What a user sees with plain kubectl: columns, explanations, and nothing left behind."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from tests.e2e.objects import model, rollout
from tests.e2e.stage import E2E, Stage, eventually

if TYPE_CHECKING:
    from tests.e2e.objects import Obj

pytestmark = E2E
FIELD = re.compile(r"^  (?P<name>\w+)\t<(?P<type>[^>]*)>(?: -required-)?$", re.MULTILINE)
EVERYTHING = (
    "all,controllerrevisions,httproutes,poddisruptionbudgets,horizontalpodautoscalers,"
    "endpointslices"
)


async def undescribed(stage: Stage, path: str) -> list[str]:
    """The fields below a path that `kubectl explain` has no words for."""
    text = await stage.kubectl("explain", path)
    found = list(FIELD.finditer(text))
    # A field can be an object that says all by being there.
    assert found or "FIELDS:" not in text, text
    silent, inner = [], []
    for field, following in zip(found, [*found[1:], None], strict=False):
        said = text[field.end() : following.start() if following else None].strip()
        said = re.sub(r"^enum: .*$", "", said, flags=re.MULTILINE).strip()
        if not said or "<no description>" in said:
            silent.append(f"{path}.{field['name']}")
        if "Object" in field["type"]:
            inner.append(f"{path}.{field['name']}")
    below = await asyncio.gather(*(undescribed(stage, each) for each in inner))
    return silent + [each for fields in below for each in fields]


@pytest.mark.parametrize("resource", ["models.tidegate.dev", "rollouts.tidegate.dev"])
async def test_every_field_of_a_spec_is_explained(stage: Stage, resource: str) -> None:
    assert await undescribed(stage, f"{resource}.spec") == []
    assert "<no description>" not in await stage.kubectl("explain", resource)


@pytest.mark.scenario("DE-02", "ST-04")
async def test_a_model_is_listed_reached_and_leaves_nothing_behind(stage: Stage) -> None:
    where = "listed"
    other: Obj = model(where, stage.artifacts["good"].uri)
    revision = await stage.serve(where, other, rollout(where, (50, "5s")))
    table = await stage.kubectl("get", "tgm,tgr", "-n", where)
    rows = [re.split(r" {2,}", line.strip()) for line in table.splitlines() if line]
    headers = {tuple(row) for row in rows if row[0] == "NAME"}
    assert headers == {
        ("NAME", "STABLE", "CANDIDATE", "READY", "REASON", "AGE"),
        ("NAME", "MODEL", "PHASE", "WEIGHT", "CANDIDATE", "HOLD", "READY", "SINCE"),
    }, table
    shown_model, shown_rollout = (row for row in rows if row[0] != "NAME")
    assert shown_model[:2] == ["model.tidegate.dev/weather", revision]
    assert {"True", "Serving"} <= set(shown_model)
    assert shown_rollout[:3] == ["rollout.tidegate.dev/weather", "weather", "Healthy"]

    async with stage.load(where, rate=20).flowing() as load:

        async def answered() -> bool:
            return load.served(revision) >= 10

        await eventually(answered, saw=load.story)
    assert load.untouched(revision), load.story()

    selector = "tidegate.dev/model=weather"
    assert revision in await stage.kubectl("get", EVERYTHING, "-n", where, "-l", selector)
    await stage.kubectl("delete", "models.tidegate.dev", "weather", "-n", where, "--timeout=30s")
    left = ""

    async def gone() -> bool:
        nonlocal left
        left = await stage.kubectl("get", EVERYTHING, "-n", where, "-l", selector, "-o", "name")
        return not left

    await eventually(gone, saw=lambda: left)
    assert await stage.envoy_weights(where) == {}
    assert "ModelMissing" in await stage.kubectl(
        "describe", "rollouts.tidegate.dev", "weather", "-n", where
    )
