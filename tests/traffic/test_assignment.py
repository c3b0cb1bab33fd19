"""Cookies of arms: what their patterns match, and that they are read back as they were written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.traffic.routings import COOKIE, NEW, OLD, PARENT, ROUTINGS

from tidegate.domain.route import Detours, Routing, Sticky
from tidegate.specs.metadata import selector
from tidegate.traffic import assignment

TOKEN = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
ARM = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,10}", fullmatch=True)


@given(name=TOKEN, arm=ARM, attempt=st.integers(0, 10**6))
def test_a_pattern_matches_its_own_cookie_and_is_read_back(
    name: str, arm: str, attempt: int
) -> None:
    pattern = assignment.cookie_pattern(name, arm=arm, attempt=attempt)
    assert assignment.arm_of(pattern, attempt=attempt) == (name, arm)
    assert assignment.arm_of(pattern, attempt=attempt + 1) is None
    sticky = Sticky("cookie", name, ((arm, OLD),))
    pair = assignment.set_cookie(sticky, arm=arm, attempt=attempt).partition(";")[0]
    for header in (pair, f"x=1; {pair}", f"{pair}; x=1", f"x=1;{pair} ; y=2"):
        assert re.fullmatch(pattern, header)
        assert re.search(pattern, header), "gateways differ in whether they match the whole"
    for header in (f"x{pair}", f"{pair}0", f"x={pair}", f"x=1 {pair}", ""):
        assert not re.search(pattern, header)


@pytest.mark.parametrize("pattern", ["", ".*", "tg-arm=a.3", "^(.*; *)?tg-arm=a.3( *;.*)?$", "["])
def test_a_pattern_of_somebody_else_is_no_arm(pattern: str) -> None:
    assert assignment.arm_of(pattern, attempt=3) is None


def test_only_arms_in_the_route_get_new_callers() -> None:
    alone = Routing({OLD: 100}, Detours(sticky=COOKIE))
    assert assignment.assigning(alone) == {OLD: "a"}
    assert assignment.assigning(ROUTINGS["cookie, closed arm"]) == {OLD: "a", NEW: "b"}
    assert assignment.assigning(ROUTINGS["header"]) == {}
    assert assignment.assigning(ROUTINGS["weights"]) == {}


def test_an_assignment_service_selects_the_pods_of_its_revision() -> None:
    one, two = assignment.services(PARENT, ROUTINGS["cookie"])
    assert one["spec"]["selector"] == selector("m", OLD)
    assert two["metadata"]["labels"][assignment.ASSIGNMENT_LABEL] == NEW
    assert assignment.revision_of(two["metadata"]["name"]) == NEW
    assert len(assignment.service_name("m" * 40 + "-12345678")) <= 63


def test_rules_that_do_not_belong_together_are_no_test() -> None:
    assert assignment.sticky_of([]) is None
    mixed = [("cookie", "x", "a", OLD), ("header", "x", "b", NEW)]
    assert assignment.sticky_of(mixed) is None
