"""What may be POSTed to the process: bounded in size and number, and only what leads takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from tidegate.runtime.hooks import BURST, MAX_BODY, RATE, Hooks, Reply
from tidegate.runtime.http import Verdict, serving

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/webhooks/mlflow"


class Well:
    def alive(self) -> Verdict:
        return Verdict(True, "")

    def ready(self) -> Verdict:
        return Verdict(True, "")


def echo(headers: Mapping[str, str], body: bytes) -> Reply:
    return Reply(200, f"{headers['x-delivery']} {body.decode()}")


async def test_a_hook_gets_headers_and_body_and_a_body_has_a_limit() -> None:
    hooks = Hooks({PATH: echo})
    async with (
        serving(Well(), host="127.0.0.1", port=0, hooks=hooks) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.post(PATH, data=b"hello", headers={"X-Delivery": "7"}) as answer:
            assert (answer.status, await answer.text()) == (200, "7 hello\n")
        async with session.post(PATH, data=b"x" * (MAX_BODY + 1)) as answer:
            assert answer.status == 413
        async with session.get(PATH) as answer:
            assert answer.status == 405
        hooks.by_path.clear()
        async with session.post(PATH, data=b"hello") as answer:
            assert answer.status == 503


def test_a_flood_is_answered_without_being_looked_at() -> None:
    seen: list[bytes] = []

    def count(headers: Mapping[str, str], body: bytes) -> Reply:
        seen.append(body)
        return Reply(200, "")

    hooks = Hooks({PATH: count})
    answers = [hooks.reply(PATH, {}, b"", now=10.0).status for _ in range(500)]
    assert answers.count(200) == len(seen) == BURST
    assert set(answers[len(seen) :]) == {429}
    assert hooks.reply(PATH, {}, b"", now=10.0 + 1 / RATE).status == 200
