"""What counts as a difference, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.compare import Rules, differences, header_differences

NOTHING = Rules()


def owner(manager: str, *fields: str, time: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "time": time,
        "fieldsV1": {f"f:{f}": {} for f in fields},
    }


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1.0}),
        (
            {"message": "uid 7e3eea3e-cf3a-48de-a770-86cdf95a6f5f is taken"},
            {"message": "uid 00000000-cf3a-48de-a770-86cdf95a6f5f is taken"},
        ),
        ({"cell": "6y328d"}, {"cell": "7y"}),
        ({"name": "web-54fb6f695f-8xcvn"}, {"name": "web-hf97g4dfjs-frcsl"}),
        (
            {"managedFields": [owner("a", "x"), owner("b", "y")]},
            {"managedFields": [owner("b", "y", time="2027-01-01T00:00:00Z"), owner("a", "x")]},
        ),
        (
            {"message": "[a: no, b: no]", "details": {"causes": [{"field": "a"}, {"field": "b"}]}},
            {"message": "[b: no, a: no]", "details": {"causes": [{"field": "b"}, {"field": "a"}]}},
        ),
    ],
)
def test_what_no_two_servers_share_is_no_difference(expected: Any, actual: Any) -> None:
    assert differences(expected, actual, NOTHING) == []


@pytest.mark.parametrize(
    ("expected", "actual", "where"),
    [
        ({"a": 1}, {"a": 2}, "/a"),
        ({"a": True}, {"a": 1}, "/a"),
        ({"a": 1}, {}, "/a: missing"),
        ({}, {"a/b": 1}, "/a~1b: unexpected"),
        ([1], [1, 2], "/1: unexpected"),
        ([{"name": "a"}], [{"name": "b"}], ": missing ['a']"),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], ": expected the order"),
        (
            {"managedFields": [owner("a", "x")]},
            {"managedFields": [owner("a", "y")]},
            "/managedFields: missing owner",
        ),
        (
            {"details": {"causes": [{"field": "a"}]}},
            {"details": {"causes": [{"field": "b"}]}},
            "/details/causes: missing cause",
        ),
        ({"message": "no"}, {"message": "yes"}, "/message"),
    ],
)
def test_every_other_difference_is_told_with_its_place(
    expected: Any, actual: Any, where: str
) -> None:
    found = differences(expected, actual, NOTHING)
    assert found
    assert found[0].startswith(where)


def test_a_volatile_value_is_compared_by_its_shape() -> None:
    rules = Rules(volatile=frozenset(["/at", "/uid"]))
    uid = "7e3eea3e-cf3a-48de-a770-86cdf95a6f5f"
    expected = {"at": "2026-01-01T00:00:00Z", "uid": uid}
    assert differences(expected, {"at": "2027-02-02T00:00:00Z", "uid": uid}, rules) == []
    assert differences(expected, {"at": "soon", "uid": uid}, rules) == [
        '/at: expected a time like "2026-01-01T00:00:00Z", got "soon"'
    ]
    assert differences(expected, {"at": expected["at"], "uid": 7}, rules)


def test_a_recorded_part_says_nothing_of_the_rest() -> None:
    rules = Rules(subset=True)
    assert differences({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, rules) == []
    assert differences({"a": {"b": 1}}, {"a": {"c": 2}}, rules)


@pytest.mark.parametrize(
    ("expected", "actual", "differs"),
    [
        ({"content-type": "a"}, {"content-type": "a", "date": "now"}, False),
        ({"content-type": "a"}, {"content-type": "b"}, True),
        ({"etag": "x"}, {"etag": "y"}, False),
        ({"etag": "x"}, {}, True),
        ({}, {"warning": "299 - no"}, True),
        ({"warning": "a\nb"}, {"warning": "b\na"}, False),
        ({}, {"retry-after": "1"}, True),
        ({"location": "/x?hash=AB12"}, {"location": "/x?hash=CD34"}, False),
        ({"location": "/x?hash=AB12"}, {"location": "/y?hash=AB12"}, True),
    ],
)
def test_headers_are_compared_as_far_as_clients_rely_on_them(
    expected: dict[str, str], actual: dict[str, str], differs: bool
) -> None:
    assert bool(header_differences(expected, actual)) is differs
