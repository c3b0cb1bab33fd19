"""The benchmark of rollouts runs, and the status that it measures is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.evaluation import status_bytes
from tests.benchmarks.rollout import arguments_of, main, prototype

from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    import pytest


async def test_the_small_form_prints_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    await main(arguments_of(["--small"]))
    printed = capsys.readouterr().out
    assert "one evaluation of five metrics" in printed
    assert "5 rollouts" in printed
    assert "queries/s" in printed


async def test_a_status_of_five_metrics_is_small_enough() -> None:
    rollout = (await prototype())[ROLLOUTS][0]
    assert await status_bytes(rollout, rollout["status"]["evidence"]) < 16_000
