"""Golden requests: what a ConfigMap may hold, and where an answer is not what is expected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.api.gate import Gate
from tidegate.domain.gates.golden import (
    REQUEST_LIMIT,
    Answered,
    content_hash,
    differences,
    judge,
    p95,
    parse,
)
from tidegate.errors import Terminal

REQUEST = {"inputs": [{"name": "temp", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]}]}


def answer(data: Any, *, name: str = "p", **more: Any) -> dict[str, Any]:
    return {"outputs": [{"name": name, "data": data, **more}]}


def golden(expected: dict[str, Any]) -> str:
    return json.dumps({"request": REQUEST, "expected": expected})


def gate(**fields: Any) -> Gate:
    requests = {"configMapRef": {"name": "golden"}}
    return Gate.model_validate({"name": "golden", "requests": requests, **fields})


def off(expected: dict[str, Any], got: Any, *, tolerance: float = 0.01, status: int = 200) -> str:
    """What is said of an answer; empty when it is as expected."""
    (one,) = parse({"sunny.json": golden(expected)}, name="golden")
    found = differences(one, Answered("sunny", status, got), tolerance=tolerance)
    return "; ".join(difference.text for difference in found)


def test_a_key_is_one_request_or_a_list_of_them() -> None:
    one = json.loads(golden(answer([1.0])))
    found = parse({"b.json": json.dumps([one, one]), "a.json": json.dumps(one)}, name="golden")
    assert [request.name for request in found] == ["a", "b[0]", "b[1]"]
    assert found[0].body == REQUEST


INVALID = [
    ({}, "has no key"),
    ({"a.json": "{"}, "ConfigMap golden, key a.json is no JSON"),
    ({"a.json": "3"}, 'a is no {"request"'),
    ({"a.json": '{"request": {}, "expected": {}}'}, 'a is no {"request"'),
    ({"a.json": golden({})}, 'expected of a: there is no list "outputs"'),
    ({"a.json": golden({"outputs": [{"data": [1]}]})}, "an output has no name"),
    ({"a.json": golden({"outputs": [{"name": "p"}]})}, "output p has no list of data"),
    ({"a.json": '{"request": {"inputs": [NaN]}}'}, "is no JSON"),
    ({"a.json": "[" * 2000 + "]" * 2000}, "is no JSON"),
    ({"a.json": json.dumps([json.loads(golden(answer([1])))] * (REQUEST_LIMIT + 1))}, "over 200"),
]


@pytest.mark.parametrize(("entries", "said"), INVALID)
def test_a_config_map_that_is_none_is_refused_by_key(entries: dict[str, str], said: str) -> None:
    with pytest.raises(Terminal) as refused:
        parse(entries, name="golden")
    assert refused.value.reason == "GoldenInvalid"
    assert said in refused.value.message


COMPARED = [
    (answer([0.5, 0.25]), answer([0.509, 0.25]), ""),
    (answer([0.5]), answer([0.52]), "sunny, p[0] is 0.52, expected 0.5, off by 0.02"),
    (answer([[0.5], [0.25]]), answer([0.5, 0.25]), ""),
    (answer([0.5]), answer([0.5, 0.5]), "sunny, p has 2 values, expected 1"),
    (answer([0.5]), answer([0.5], name="q"), "sunny, p is missing in the answer"),
    (answer([0.5], shape=[1]), answer([0.5], shape=[1, 1]), "has shape [1, 1], expected [1]"),
    (answer([0.5]), answer([0.5], shape=[1]), ""),
    (answer(["yes"]), answer(["no"]), 'sunny, p[0] is "no", expected "yes"'),
    (answer([True]), answer([1]), "sunny, p[0] is 1, expected true"),
    (answer([None]), answer([None]), ""),
    (answer([0.5]), answer([None]), "sunny, p[0] is null, expected 0.5"),
    (answer([0.5]), {"error": "x"}, 'no outputs of the protocol: there is no list "outputs"'),
    (answer([0.5]), None, "no outputs of the protocol"),
]


@pytest.mark.parametrize(("expected", "got", "said"), COMPARED)
def test_an_answer_is_compared_value_by_value(
    expected: dict[str, Any], got: Any, said: str
) -> None:
    found = off(expected, got)
    assert (said in found) if said else (found == "")


def test_an_error_is_told_in_the_models_words() -> None:
    assert off(answer([1]), {"error": "temp is missing"}, status=400) == (
        "sunny was answered 400: temp is missing"
    )


def said_of(got: float, seconds: list[float], **fields: Any) -> tuple[str, str, float | None]:
    (one,) = parse({"sunny.json": golden(answer([0.5]))}, name="golden")
    asked = [(one, Answered("sunny", 200, answer([got])))]
    found = judge(gate(**fields), asked, seconds, source="ConfigMap golden")
    return found.result, found.reason, found.value


def test_the_gate_tells_the_largest_difference_even_where_it_passes() -> None:
    result, reason, value = said_of(0.5 + 1e-7, [0.001])
    assert (result, reason) == ("Passed", "Passed")
    assert value == pytest.approx(1e-7)
    assert said_of(0.6, [0.001])[:2] == ("Failed", "AnswersDiffer")
    assert said_of(0.6, [0.001], tolerance=0.2)[:2] == ("Passed", "Passed")


def test_the_latency_budget_is_on_the_95th_percentile() -> None:
    times = [0.001] * 19 + [1.0]
    assert p95(times) == 0.001
    assert said_of(0.5, times, maxLatency="50ms")[:2] == ("Passed", "Passed")
    slow = [0.001] * 18 + [0.06] * 2
    assert said_of(0.5, slow, maxLatency="50ms") == ("Failed", "TooSlow", 0.06)


def test_what_differs_is_named_and_the_rest_counted() -> None:
    (one,) = parse({"a.json": golden(answer([0.0] * 5))}, name="golden")
    asked = [(one, Answered("a", 200, answer([1.0] * 5)))]
    found = judge(gate(), asked, [0.001], source="ConfigMap golden")
    assert found.message.startswith("5 answers differ: a, p[0] is 1.0, expected 0.0, off by 1;")
    assert found.message.endswith("; and 2 more")
    assert found.bound == "tolerance 1e-06"


def test_other_content_has_another_hash() -> None:
    assert content_hash({"a": "1"}) == content_hash({"a": "1"})
    assert content_hash({"a": "1"}) != content_hash({"a": "2"})


WITHIN = {
    "configMapRef": {"name": "golden"},
    "outputs": [{"name": "p", "min": 0, "max": 1}],
}


def judged_within(answered: list[float], **document: Any) -> Any:
    text = json.dumps({"request": REQUEST, **document})
    (one,) = parse({"sunny.json": text}, name="golden", recorded=False)
    asked = [(one, Answered("sunny", 200, answer(answered)))]
    return judge(gate(requests=WITHIN), asked, [0.01], source="ConfigMap golden")


def test_an_answer_of_which_nothing_is_recorded_must_be_within_its_range() -> None:
    found = judged_within([0.0, 1.0])
    assert (found.result, found.bound) == ("Passed", "tolerance 1e-06, 1 expectations")
    found = judged_within([0.5, 1.5])
    assert (found.result, found.reason) == ("Failed", "AnswersOutside")
    assert "1 values are outside: sunny, p[1] is 1.5, over 1" in found.message


def test_what_is_recorded_counts_beside_the_range() -> None:
    expected = answer([0.5])
    assert judged_within([0.5], expected=expected).result == "Passed"
    assert judged_within([0.25], expected=expected).reason == "AnswersDiffer"


def test_an_error_is_told_once_and_as_what_it_is() -> None:
    (one,) = parse({"a.json": json.dumps({"request": REQUEST})}, name="golden", recorded=False)
    refused = [(one, Answered("a", 400, {"error": "no"}))]
    found = judge(gate(requests=WITHIN), refused, [0.01], source="ConfigMap golden")
    assert (found.reason, "a was answered 400: no" in found.message) == ("AnswersDiffer", True)


def test_a_request_without_an_answer_needs_expectations() -> None:
    with pytest.raises(Terminal, match="expected of a"):
        parse({"a.json": json.dumps({"request": REQUEST})}, name="golden")
