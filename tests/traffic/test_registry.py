"""Which providers there are: every member of spec.traffic has one, and docs name them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.traffic.routings import gateway_api, istio

from tidegate.api.traffic import Traffic
from tidegate.errors import Terminal
from tidegate.kube.resources import resource
from tidegate.traffic.base import Feature
from tidegate.traffic.registry import PROVIDERS, own_kinds, provider_of, route_kinds

PAGE = Path(__file__).parents[2] / "docs" / "traffic.md"


def test_every_member_of_the_traffic_section_has_a_provider() -> None:
    members = {info.alias for info in Traffic.model_fields.values()}
    assert members == PROVIDERS.keys()
    assert provider_of(None) is None
    for provider in (gateway_api(), istio()):
        assert isinstance(provider, PROVIDERS[provider.name])


def test_a_section_without_a_known_member_is_refused_with_those_that_are() -> None:
    with pytest.raises(Terminal, match="gatewayAPI or istio") as caught:
        provider_of(Traffic())
    assert caught.value.reason == "TrafficProviderUnknown"


def test_every_kind_is_one_that_the_client_knows_and_routes_come_first() -> None:
    for kind in own_kinds():
        assert resource(*kind).namespaced
    assert own_kinds()[: len(route_kinds())] == route_kinds()


def test_an_endpoint_is_where_callers_send_requests() -> None:
    for path in ("/ml", "/ml/"):
        for provider in (gateway_api(path=path), istio(path=path)):
            assert provider.endpoint("m") == "http://a.example/ml/v2/models/m"


def test_the_page_says_what_each_provider_can_do() -> None:
    lines = PAGE.read_text().splitlines()
    head = next(line for line in lines if line.startswith("| feature"))
    assert [cell.strip(" `") for cell in head.strip("|").split("|")[2:]] == list(PROVIDERS)
    for feature in Feature:
        (row,) = [line for line in lines if line.startswith(f"| `{feature}`")]
        said = [cell.strip() for cell in row.strip("|").split("|")[2:]]
        assert said == ["yes" if feature in p.features else "no" for p in PROVIDERS.values()]
