"""What a rule allows, what covers what, and how Go would print it."""

from __future__ import annotations

import pytest

from tidegate.local.apiserver.auth.attributes import Attributes
from tidegate.local.apiserver.auth.rules import Rule, compact, missing

READ = Rule(("get", "list"), ("apps",), ("deployments",))


@pytest.mark.parametrize(
    ("rule", "wanted", "allowed"),
    [
        (READ, Attributes("get", "apps", resource="deployments"), True),
        (READ, Attributes("watch", "apps", resource="deployments"), False),
        (READ, Attributes("get", "", resource="deployments"), False),
        (READ, Attributes("get", "apps", resource="deployments", subresource="status"), False),
        (Rule(("*",), ("*",), ("*",)), Attributes("fly", "x", resource="y", subresource="z"), True),
        (Rule(("*",), ("*",), ("*",)), Attributes("get", path="/metrics"), False),
        (
            Rule(("get",), ("",), ("*/log",)),
            Attributes("get", resource="pods", subresource="log"),
            True,
        ),
        (Rule(("get",), ("",), ("*/log",)), Attributes("get", resource="pods"), False),
        (Rule(("get",), ("",), ("pods",), ("a",)), Attributes("get", resource="pods"), False),
        (
            Rule(("get",), ("",), ("pods",), ("a",)),
            Attributes("get", resource="pods", name="a"),
            True,
        ),
        (
            Rule(("promote",), ("t.dev",), ("r",)),
            Attributes("promote", "t.dev", resource="r"),
            True,
        ),
        (Rule(("get",), paths=("/apis/*",)), Attributes("get", path="/apis/apps"), True),
        (Rule(("get",), paths=("/apis/*",)), Attributes("get", path="/api"), False),
        (Rule(("get",), paths=("*",)), Attributes("get", path="/metrics"), True),
    ],
)
def test_a_rule_allows_what_it_names_and_nothing_else(
    rule: Rule, wanted: Attributes, allowed: bool
) -> None:
    assert rule.allows(wanted) is allowed


@pytest.mark.parametrize(
    ("owned", "wanted", "lacking"),
    [
        ([READ], READ, []),
        ([READ], Rule(("get", "delete"), ("apps",), ("deployments",)), ["delete"]),
        ([Rule(("*",), ("*",), ("*",))], Rule(("x",), ("y",), ("z/w",), ("n",)), []),
        ([Rule(("get",), ("",), ("pods",), ("a",))], Rule(("get",), ("",), ("pods",)), ["get"]),
        ([Rule(("get",), ("",), ("pods",))], Rule(("get",), ("",), ("pods",), ("a",)), []),
        ([Rule(("get",), paths=("/apis/*",))], Rule(("get",), paths=("/apis/x",)), []),
        ([Rule(("get",), paths=("/apis/x",))], Rule(("get",), paths=("/apis/*",)), ["get"]),
        ([], Rule(("*",), ("",), ("pods",)), ["*"]),
    ],
)
def test_rules_cover_parts_of_others(owned: list[Rule], wanted: Rule, lacking: list[str]) -> None:
    assert [part.verbs[0] for part in missing(owned, [wanted])] == lacking


def test_parts_about_one_thing_are_printed_as_one_rule() -> None:
    parts = missing([], [Rule(("get", "list"), ("",), ("pods", "pods/log"), ("a",))])
    assert [rule.described() for rule in compact(parts)] == [
        '{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}',
        '{APIGroups:[""], Resources:["pods/log"], ResourceNames:["a"], Verbs:["get" "list"]}',
    ]


def test_parts_about_paths_stay_apart() -> None:
    parts = missing([], [Rule(("get", "post"), paths=("/x",))])
    assert len(compact(parts)) == 2
