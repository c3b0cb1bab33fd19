"""Tokens of service accounts: what they say, and that nobody else can make one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.local.apiserver.auth.tokens import Claims, ServiceAccountTokens

CLAIMS = Claims("ns", "name", "u-1", datetime(2030, 1, 1, tzinfo=UTC), ("vault",))


def test_a_token_says_what_it_was_issued_for() -> None:
    tokens = ServiceAccountTokens(b"key")
    assert tokens.read(tokens.issue(CLAIMS)) == CLAIMS


def test_a_token_outlives_the_server_that_issued_it() -> None:
    token = ServiceAccountTokens(b"key").issue(CLAIMS)
    assert ServiceAccountTokens(b"key").read(token) == CLAIMS


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "..", "ä.ö.ü", ServiceAccountTokens(b"other").issue(CLAIMS)],
)
def test_what_another_made_says_nothing(token: str) -> None:
    assert ServiceAccountTokens(b"key").read(token) is None


def test_a_token_whose_claims_were_changed_says_nothing() -> None:
    tokens = ServiceAccountTokens(b"key")
    head, _, signature = tokens.issue(CLAIMS).split(".")
    _, body, _ = tokens.issue(Claims("kube-system", "admin")).split(".")
    assert tokens.read(f"{head}.{body}.{signature}") is None
