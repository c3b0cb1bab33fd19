"""Users' queries: what a placeholder becomes, and where it may not stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.metric import QUERY_PATTERN, SELECTOR_PATTERN
from tidegate.metrics.templates import filled

VALUES = {"revision": "flight-1a2b3c4d", "model": "fl.ight", "namespace": 'a"b\\c'}


@pytest.mark.parametrize(
    ("query", "becomes"),
    [
        ("up", "up"),
        ('m{r="{{revision}}"}', 'm{r="flight-1a2b3c4d"}'),
        ("m{r='{{revision}}'}", "m{r='flight-1a2b3c4d'}"),
        ('m{r="x-{{revision}}-y"}', 'm{r="x-flight-1a2b3c4d-y"}'),
        ('m{r="{{model}}",s!="{{revision}}"}', 'm{r="fl.ight",s!="flight-1a2b3c4d"}'),
        ('m{r=~"{{model}}-.*"}', 'm{r=~"fl\\\\.ight-.*"}'),
        ("m{r!~'{{model}}'}", "m{r!~'fl\\\\.ight'}"),
        ('m{r="{{namespace}}"}', 'm{r="a\\"b\\\\c"}'),
        ("m{r='{{namespace}}'}", "m{r='a\"b\\\\c'}"),
        ('sum(rate(m{r= "{{revision}}"}[5m]))', 'sum(rate(m{r= "flight-1a2b3c4d"}[5m]))'),
        ('m{r="a{2}"}', 'm{r="a{2}"}'),
    ],
)
def test_a_placeholder_becomes_its_value_escaped(query: str, becomes: str) -> None:
    assert filled(query, VALUES) == becomes


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('m{r="{{revison}}"}', "is no placeholder: there are {{revision}}, {{model}}"),
        ("m{r={{revision}}}", "outside quotes"),
        ("{{revision}}", "outside quotes"),
        ('label_replace(m, "a", "{{revision}}", "b", "c")', "belongs into the string of a label"),
        ("m{r=`{{revision}}`}", "belongs into the string of a label"),
    ],
)
def test_a_placeholder_elsewhere_is_refused_with_the_mend(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        filled(query, VALUES)


@given(st.text(max_size=30))
def test_no_value_ever_ends_the_string_that_it_stands_in(value: str) -> None:
    whole = filled('m{r="{{revision}}"}', {"revision": value})
    assert re.fullmatch(r'm\{r="(?:[^"\\\n]|\\.)*"\}', whole, re.S)
    inside = whole[len('m{r="') : -len('"}')]
    back = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), inside)
    assert back == value


@given(st.from_regex(SELECTOR_PATTERN, fullmatch=True))
def test_every_counter_that_the_schema_takes_can_be_filled(query: str) -> None:
    assert re.fullmatch(QUERY_PATTERN, query)
    assert "{{" not in filled(query, dict.fromkeys(VALUES, "x")) or "{{" not in query
