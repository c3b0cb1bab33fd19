"""Every recorded case against the embedded server: it is as recorded, or listed as different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conformance.cases import load, scenario_files
from tests.conformance.listed import NOT_IMPLEMENTED, ON_PURPOSE, UNKNOWN, Listed, unexpected
from tests.conformance.page import PAGE, page
from tests.conformance.run import CASES, replay_embedded

if TYPE_CHECKING:
    from pathlib import Path

SCENARIOS = scenario_files(CASES)
# Recorded waits and the clocks of the server run this much faster.
PACE = 0.05


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_server_answers_as_recorded(name: str, tmp_path: Path) -> None:
    scenario = load(SCENARIOS[name], name)
    results = {
        result.case.label: result.differences
        async for result in replay_embedded(scenario, tmp_path, pace=PACE)
    }
    assert unexpected(results, Listed.load()) == []


def test_every_listed_difference_is_of_a_case_and_says_why() -> None:
    labels = {c.label for name, path in SCENARIOS.items() for c in load(path, name).cases}
    for label, entry in Listed.load().items():
        assert label in labels
        assert entry.kind in (ON_PURPOSE, NOT_IMPLEMENTED)
        assert entry.why not in ("", UNKNOWN), f"{label}: why does it differ?"


def test_the_page_is_drawn_from_the_cases() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
