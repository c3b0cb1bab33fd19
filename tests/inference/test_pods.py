"""Asking a pod: what is an answer, and what is none."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tidegate.errors import Unreachable
from tidegate.inference import pods
from tidegate.inference.pods import NO_ANSWER, PodInference
from tidegate.testing.gateway import free_port
from tidegate.testing.http import answering


async def asked(url: str, *, timeout_s: float = 5.0) -> pods.Answer:
    client = PodInference()
    try:
        return await client.infer(url, {"inputs": []}, timeout_s=timeout_s)
    finally:
        await client.close()


async def test_an_answer_of_any_status_is_an_answer() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        assert await request.json() == {"inputs": []}
        return web.json_response({"error": "no inputs"}, status=400)

    async with answering(refuse) as server:
        found = await asked(f"{server.url}/v2/models/m/infer")
    assert (found.status, found.body) == (400, {"error": "no inputs"})
    assert found.seconds > 0


async def test_a_body_that_is_no_json_is_none() -> None:
    async def text(request: web.Request) -> web.StreamResponse:
        return web.Response(text="oops", status=500)

    async with answering(text) as server:
        found = await asked(server.url)
    assert (found.status, found.body) == (500, None)


async def test_nobody_there_is_not_the_same_as_no_answer() -> None:
    with pytest.raises(Unreachable) as nobody:
        await asked(f"http://127.0.0.1:{free_port()}/")
    assert nobody.value.reason == "Unreachable"

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with answering(silent) as server:
        with pytest.raises(Unreachable) as slow:
            await asked(server.url, timeout_s=0.2)
    assert slow.value.reason == NO_ANSWER
    assert "no answer within 0.2 s" in slow.value.message


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "ANSWER_LIMIT_BYTES", 1024)

    async def much(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 4096)

    async with answering(much) as server:
        with pytest.raises(Unreachable) as refused:
            await asked(server.url)
    assert refused.value.reason == NO_ANSWER
