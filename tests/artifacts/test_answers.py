"""Small answers of servers that may be none: read within limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tidegate.artifacts import answers
from tidegate.artifacts.answers import answer, async_answer, json_of
from tidegate.artifacts.in_time import limited_to
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

URL = "https://hub.example/list?token=s3cret"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as it comes, packed or not, once or without an end."""

    def __init__(self, chunk: bytes, *, endless: bool = False, pause_s: float = 0) -> None:
        self._chunk, self._endless, self._pause_s = chunk, endless, pause_s

    def __iter__(self) -> Iterator[bytes]:
        yield self._chunk
        while self._endless:
            time.sleep(self._pause_s)
            yield self._chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def transport(body: Body, headers: dict[str, str] | None = None) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=body))


def test_an_answer_is_read_with_what_its_headers_say() -> None:
    link = {"link": '<https://hub.example/2>; rel="next"'}
    with httpx.Client(transport=transport(Body(b'{"a": 1}'), link)) as client:
        found = answer(client, URL, headers={}, params={"path": "x"})
    assert json_of(found) == {"a": 1}
    assert found.links["next"]["url"] == "https://hub.example/2"
    assert found.request.url.params["path"] == "x"


async def test_an_answer_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 100_000)
    with httpx.Client(transport=transport(Body(b"x" * 1000, endless=True))) as client:
        with pytest.raises(Terminal, match="TooLarge") as refused:
            answer(client, URL, headers={})
        assert "s3cret" not in refused.value.message
    async with httpx.AsyncClient(transport=transport(Body(b"x" * 1000, endless=True))) as other:
        with pytest.raises(Terminal, match="TooLarge"):
            await async_answer(other, URL, headers={})


def test_an_answer_that_trickles_is_left() -> None:
    stream = transport(Body(b"x", endless=True, pause_s=0.001))
    with (
        httpx.Client(transport=stream) as client,
        limited_to(0.02),
        pytest.raises(Unreachable, match="in time"),
    ):
        answer(client, URL, headers={})


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"<html>", {}), (b"[" * 100_000, {}), (b"\x1f\x8b", {"content-encoding": "gzip"})],
)
def test_what_is_no_json_says_so(body: bytes, headers: dict[str, str]) -> None:
    with httpx.Client(transport=transport(Body(body), headers)) as client:
        found = answer(client, URL, headers={})
    with pytest.raises(Unreachable, match="speaks no JSON") as refused:
        json_of(found)
    assert "s3cret" not in refused.value.message
