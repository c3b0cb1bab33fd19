"""Times of conditions that nobody has set."""

from __future__ import annotations

from tidegate.local.apiserver.zerotimes import show_unset_times


def test_a_condition_of_a_built_in_kind_shows_the_times_that_it_lacks() -> None:
    obj = {"status": {"conditions": [{"type": "A", "lastTransitionTime": "t"}]}}
    show_unset_times("apps/deployments", obj)
    assert obj["status"]["conditions"] == [
        {"type": "A", "lastTransitionTime": "t", "lastUpdateTime": None}
    ]


def test_other_kinds_and_objects_without_a_status_are_left_alone() -> None:
    custom = {"status": {"conditions": [{"type": "A"}]}}
    show_unset_times("example.com/widgets", custom)
    assert custom == {"status": {"conditions": [{"type": "A"}]}}
    bare: dict[str, dict[str, str]] = {"metadata": {}}
    show_unset_times("/pods", bare)
    assert bare == {"metadata": {}}
