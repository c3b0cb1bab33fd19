"""Who waits when many ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from tidegate.metrics.base import Error
from tidegate.metrics.fairness import FORGOTTEN_AFTER_S, FairQueue


class Questions:
    """Questions that are answered when the test says so; `order` is the order of their asking."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.open = asyncio.Event()

    async def ask(self, name: str) -> str | Error:
        self.order.append(name)
        await self.open.wait()
        return name


async def test_owners_take_turns_and_few_questions_run_at_once() -> None:
    queue, questions = FairQueue(at_once=1), Questions()
    names = ["a1", "a2", "a3", "b1", "c1"]
    tasks = [
        asyncio.create_task(queue.ask(name[0], partial(questions.ask, name))) for name in names
    ]
    await asyncio.sleep(0)
    assert questions.order == ["a1"]
    assert queue.waiting == 4
    questions.open.set()
    assert await asyncio.gather(*tasks) == names
    assert questions.order == ["a1", "a2", "b1", "c1", "a3"]
    assert queue.waiting == 0


async def test_a_full_queue_is_an_error_that_says_so() -> None:
    queue, questions = FairQueue(at_once=1, most_waiting=1), Questions()
    running = [asyncio.create_task(queue.ask("a", lambda: questions.ask("a"))) for _ in range(2)]
    await asyncio.sleep(0)
    answer = await queue.ask("b", lambda: questions.ask("b"))
    assert isinstance(answer, Error)
    assert "asked more than it answers" in answer.reason
    questions.open.set()
    await asyncio.gather(*running)


async def test_a_question_that_waited_too_long_is_an_error_and_leaves_the_line() -> None:
    queue, questions = FairQueue(at_once=1, patience=timedelta(milliseconds=20)), Questions()
    running = asyncio.create_task(queue.ask("a", lambda: questions.ask("a")))
    await asyncio.sleep(0)
    answer = await queue.ask("b", lambda: questions.ask("b"))
    assert isinstance(answer, Error)
    assert "waited 0.02 s" in answer.reason
    assert queue.waiting == 0
    questions.open.set()
    assert await running == "a"
    assert await queue.ask("b", lambda: questions.ask("b")) == "b"


async def test_failures_are_asked_again_later_and_later() -> None:
    now = [100.0]
    queue = FairQueue(monotonic=lambda: now[0])
    asked = 0

    async def failing() -> str | Error:
        nonlocal asked
        asked += 1
        return Error("down")

    for pause in (1.0, 2.0, 4.0):
        assert await queue.ask("a", failing) == Error("down")
        now[0] += pause - 0.1
        early = await queue.ask("a", failing)
        assert isinstance(early, Error)
        assert "asked again" in early.reason
        now[0] += 0.2
    assert asked == 3

    async def fine() -> str | Error:
        return "up"

    now[0] += 10
    assert await queue.ask("b", fine) == "up"
    assert await queue.ask("a", fine) == "up"
    assert await queue.ask("a", fine) == "up"


async def test_what_was_refused_stays_refused_while_it_pauses_and_a_mended_question_is_asked() -> (
    None
):
    queue, asked = FairQueue(monotonic=lambda: 0.0), []

    async def ask(text: str) -> str | Error:
        asked.append(text)
        return Error("it does not parse", refused=True) if text == "wrong(" else text

    for _ in range(3):
        found = await queue.ask("m", partial(ask, "wrong("), text="wrong(")
        assert found == Error("it does not parse", refused=True)
    assert asked == ["wrong("]
    assert await queue.ask("m", partial(ask, "right"), text="right") == "right"
    assert await queue.ask("m", partial(ask, "right"), text="right") == "right"


async def test_failures_of_owners_that_are_gone_are_forgotten() -> None:
    now = [0.0]
    queue = FairQueue(monotonic=lambda: now[0])

    async def failing() -> str | Error:
        return Error("down")

    for number in range(50):
        await queue.ask(f"gone-{number}", failing)
    now[0] += FORGOTTEN_AFTER_S + 1
    await queue.ask("here", failing)
    assert queue.failing == 1
