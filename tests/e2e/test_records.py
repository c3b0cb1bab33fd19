"""The story of a real delivery: told, recomputed and planned by the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from tests.e2e.objects import model, rollout
from tests.e2e.stage import E2E

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stage import Stage

pytestmark = E2E


async def tidegate(stage: Stage, *arguments: str) -> tuple[int, str]:
    """Run the command line against the cluster; its exit code and what it showed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate", *arguments, "--kubeconfig", str(stage.state.kubeconfig),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


async def test_a_promotion_is_told_and_recomputed_from_its_record(
    stage: Stage, tmp_path: Path
) -> None:
    where = "recorded"
    old = await stage.serve(
        where, model(where, stage.artifacts["good"].uri), rollout(where, (20, "3s"), (50, "3s"))
    )
    async with stage.load(where, rate=150).flowing() as load:
        code, shown = await tidegate(stage, "plan", "weather", "-n", where)
        assert code == 0, shown
        assert "Nothing is to be done." in shown
        await stage.apply(model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        await stage.until_phase("Healthy", where)
    code, told = await tidegate(stage, "explain", "weather", "-n", where)
    assert code == 0, told
    assert f"It began: {new} was to take the place of {old}." in told
    assert f"{new} was promoted" in told
    exported = tmp_path / "records.yaml"
    labels = "app.kubernetes.io/component=decision-record"
    exported.write_text(await stage.kubectl("get", "cm", "-n", where, "-l", labels, "-o", "yaml"))
    for what in (("weather", "-n", where), (str(exported),)):
        code, shown = await tidegate(stage, "replay", *what, "-o", "json")
        assert code == 0, shown
        found: dict[str, Any] = json.loads(shown)
        assert found["same"] is True
        assert found["batches"] > 2
