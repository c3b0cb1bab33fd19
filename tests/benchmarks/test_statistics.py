"""The rules that ours is measured against behave as their projects' do, and the tables print."""

from __future__ import annotations

import pytest
from tests.benchmarks.statistics import RULES, SCENES, Size, constant_table, delivery_table, limit

from tidegate.stats import Counts

BAD, GOOD, STABLE = Counts(30, 300), Counts(3, 300), Counts(57, 5700)


@pytest.mark.parametrize(
    ("name", "failures"),
    [
        ("Argo, > 2x stable, failureLimit 0", 1),
        ("Argo, > 2x stable, failureLimit 3", 4),
        ("Flagger, > 2x stable, threshold 5", 5),
        ("Flagger, > 1 %, threshold 5", 5),
    ],
)
def test_a_threshold_counts_failed_checks_over_the_whole_run(name: str, failures: int) -> None:
    rule = RULES[name](SCENES[1], True)
    for minute in range(1, failures):
        assert rule.look(60 * minute, BAD, STABLE) == "Continue"
        assert rule.look(60 * minute, GOOD, STABLE) == "Continue"
    assert rule.look(60 * failures, BAD, STABLE) == "Rollback"


def test_a_threshold_promotes_when_the_last_step_is_over() -> None:
    rule = RULES["Argo, > 2x stable, failureLimit 3"](SCENES[1], True)
    assert rule.look(2399, GOOD, STABLE) == "Continue"
    assert rule.look(2400, GOOD, STABLE) == "Promote"


def test_the_limit_is_lower_the_worse_the_candidate_is() -> None:
    for scene in SCENES:
        limits = [limit(scene, rate) for rate in scene.worse]
        assert limits == sorted(limits, reverse=True)


def test_the_tables_have_a_line_a_rule() -> None:
    size = Size(runs=2, watch_s=300, detect_s=600, deliver_s=2400)
    tables = constant_table(size), delivery_table(size)
    for text in tables:
        assert all(any(line.startswith(name) for line in text.splitlines()) for name in RULES)
    assert "information limit" in tables[0]
