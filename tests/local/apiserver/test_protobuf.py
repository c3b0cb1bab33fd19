"""The little protobuf that kubectl's typed commands need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.local.apiserver import protobuf
from tidegate.local.apiserver.errors import ApiError
from tidegate.testing.apiserver import WIDGETS

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    types = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, types) + field(2, raw)


def test_maps_bytes_and_lists_are_read() -> None:
    metadata = field(1, b"s") + field(11, field(1, b"a") + field(2, b"b")) + field(14, b"e.com/f")
    raw = field(1, metadata) + field(2, field(1, b"p") + field(2, b"\xff")) + bytes([5 << 3, 1])
    assert protobuf.decode(envelope("v1", "Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "labels": {"a": "b"}, "finalizers": ["e.com/f"]},
        "data": {"p": "/w=="},
        "immutable": True,
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"k8s\0\xff", 400),
        (b"k8s\0\x0a\x7f", 400),
        (envelope("v1", "Namespace", b"\x0a\x05ab"), 400),
        (envelope("v1", "Node", b""), 415),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(body)
    assert caught.value.code == code


async def test_a_namespace_can_be_created_from_protobuf(ask: Asker) -> None:
    body = envelope("v1", "Namespace", field(1, field(1, b"n")))
    answer = await ask.raw("POST", "/api/v1/namespaces", body, content_type=protobuf.MEDIA)
    assert answer.status == 201
    assert (await ask.get("/api/v1/namespaces/n"))["status"]["phase"] == "Active"


async def test_who_takes_nothing_but_protobuf_is_refused_in_it(widgets: Asker) -> None:
    answer = await widgets.raw(
        "GET", f"{WIDGETS}/none", accept="application/vnd.kubernetes.protobuf"
    )
    assert answer.status == 406
    assert answer.headers["content-type"] == "application/vnd.kubernetes.protobuf"
    assert isinstance(answer.body, bytes)
    assert answer.body.startswith(b"k8s\0")
    assert b"NotAcceptable" in answer.body
