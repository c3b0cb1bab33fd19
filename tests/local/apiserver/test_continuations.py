"""Tokens that continue a list, and what is no token."""

from __future__ import annotations

import base64

import pytest

from tidegate.local.apiserver.continuations import decode, encode
from tidegate.local.apiserver.errors import ApiError


@pytest.mark.parametrize(("revision", "start"), [(7, "a\0"), (-1, "ns\0name\0"), (1 << 40, "ü")])
def test_a_token_holds_where_a_list_goes_on(revision: int, start: str) -> None:
    assert decode(encode(revision, start)) == (revision, start)


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("!!", "illegal base64 data at input byte 0"),
        ("abcde", "illegal base64 data at input byte 4"),
        ("abc", "invalid character 'i' looking for beginning of value"),
        (packed("[1]"), "server does not recognize this encoded version"),
        (packed('{"v":"v9"}'), "server does not recognize this encoded version"),
        (
            packed('{"v":"meta.k8s.io/v1"}'),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (
            packed('{"v":"meta.k8s.io/v1","rv":3}'),
            "encoded start key empty (version meta.k8s.io/v1)",
        ),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(token: str, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode(token)
    assert refused.value.code == 400
    assert refused.value.message == f"invalid continue token: continue key is not valid: {said}"
