"""The benchmark of rollouts runs, and the status that it measures is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.evaluation import after_trials, status_bytes, with_all_types
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


async def test_a_status_is_small_enough_with_metrics_of_all_types_and_after_many_trials() -> None:
    rollout = (await prototype())[ROLLOUTS][0]
    largest = with_all_types(rollout)
    assert await status_bytes(rollout) < 12_000
    assert await status_bytes(largest) < 16_000
    assert await status_bytes(after_trials(rollout)) < 16_000
