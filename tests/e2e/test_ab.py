"""An A/B test with callers who keep a cookie: each sees one arm, and is counted once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.e2e.load import MISSING, WHOLE
from tests.e2e.objects import condition, hostname, model, rollout
from tests.e2e.stage import E2E, eventually

from tidegate.demo.answers import REVISION_HEADER
from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.objects import Obj
    from tests.e2e.stage import Stage

pytestmark = E2E
WHERE, COOKIE = "ab", "tg-arm"
REQUESTS = 3


@dataclass
class Callers:
    """New callers, `rate` a second; each asks a few times and brings back the cookie it was given.

    `seen` has, for every caller who is done, which revision answered each of its requests."""

    port: int
    rate: float
    seen: list[tuple[str, ...]] = field(default_factory=list)
    unanswered: int = 0

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[Callers]:
        """Callers come for as long as the block lasts."""
        stop = asyncio.Event()
        running = asyncio.create_task(self._run(stop))
        try:
            yield self
        finally:
            stop.set()
            await running

    async def _run(self, stop: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            number = 0
            while not stop.is_set():
                group.create_task(self._call(session, MISSING if number % 2 else WHOLE))
                number += 1
                await asyncio.sleep(1 / self.rate)

    async def _call(self, session: aiohttp.ClientSession, row: bytes) -> None:
        """One caller, from its first request to its last."""
        cookie, answered = "", []
        for _ in range(REQUESTS):
            headers = {"host": hostname(WHERE), "content-type": "application/json"}
            if cookie:
                headers["cookie"] = f"theme=dark; {cookie}; lang=en"
            url = f"http://127.0.0.1:{self.port}/v2/models/weather/infer"
            try:
                async with session.post(url, data=row, headers=headers) as answer:
                    await answer.read()
                    answered.append(answer.headers.get(REVISION_HEADER, ""))
                    given = answer.headers.get("set-cookie", "")
            except (aiohttp.ClientError, TimeoutError, OSError):
                self.unanswered += 1
                return
            if given.startswith(f"{COOKIE}="):
                cookie = given.partition(";")[0]
        self.seen.append(tuple(answered))


def compared() -> Obj:
    """A Rollout that compares stable with the latest revision, by callers."""
    found = rollout(WHERE, (5, "1s"))
    found["spec"]["strategy"] = {
        "abTest": {
            "arms": [{"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}],
            "stickyBy": {"cookie": COOKIE},
            "goal": "errors",
            "minDuration": "30s",
        }
    }
    return found


def counted(status: Obj) -> dict[str, float]:
    """New callers of each arm, as the status has them."""
    arms = status.get("contest", {}).get("arms", [])
    return {arm["revision"]: arm.get("users", 0) for arm in arms}


@pytest.mark.scenario("XS-10")
@pytest.mark.timeout(300)
async def test_callers_keep_their_arm_are_counted_once_and_the_better_arm_wins(
    stage: Stage,
) -> None:
    stable = await stage.serve(WHERE, model(WHERE, stage.artifacts["broken"].uri), compared())
    async with Callers(stage.gateway_port, rate=15).calling() as callers:
        await stage.apply(model(WHERE, stage.artifacts["good"].uri))
        begun = await stage.until_phase("Progressing", WHERE)
        latest = str(begun["status"]["attempt"]["revision"])

        found: dict[str, int] = {}

        async def split() -> bool:
            nonlocal found
            found = await stage.envoy_weights(WHERE)
            return found.get(f"{stable}-new") == found.get(f"{latest}-new") == 50

        await eventually(split, saw=lambda: f"weights {found}")
        callers.seen.clear()
        before = counted((await stage.rollout(WHERE))["status"])

        async def many() -> bool:
            return len(callers.seen) >= 120

        await eventually(many, saw=lambda: f"{len(callers.seen)} callers")
        during, status = list(callers.seen), (await stage.rollout(WHERE))["status"]
        assert status["phase"] == "Progressing"
        kept = [arms for arms in during if len(set(arms)) == 1]
        # Callers who came before the test, and those whose first answer set no cookie, may change.
        assert len(kept) >= len(during) - 15, [arms for arms in during if len(set(arms)) != 1]
        shares = {name: sum(arms[0] == name for arms in kept) for name in (stable, latest)}
        assert 0.3 < shares[latest] / sum(shares.values()) < 0.7
        users = counted(status)
        new = sum(users.values()) - sum(before.values())
        assert new <= 1.25 * len(during) + 30, "callers are counted, and not their requests"
        done = await stage.until(
            lambda one: one["status"].get("phase") == "Healthy", ROLLOUTS, WHERE, within=120
        )
    assert (done["status"]["contest"]["winner"], done["status"]["contest"]["unit"]) == (
        "b",
        "Users",
    )
    assert condition(done, "Ready")["status"] == "True"
    assert callers.unanswered == 0
    arms = {arm["name"]: arm for arm in done["status"]["contest"]["arms"]}
    assert arms["a"]["bad"] > 0.3 * arms["a"]["n"]
    assert arms["b"]["bad"] == 0
