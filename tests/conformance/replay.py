"""Replays one scenario against a target, and says for each case where it differs.

Owns the order of things: waits, polls, captured values, what happens during a watch or a command.
What counts as a difference is decided in `compare`, `reduced` and `commands`.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.conformance import commands, polls
from tests.conformance.cases import at, filled
from tests.conformance.compare import Rules, differences, header_differences
from tests.conformance.fresh import WITH_NODE
from tests.conformance.notes import Notes
from tests.conformance.owned import without_controllers
from tests.conformance.reduced import reduced
from tests.conformance.watches import watch_differences
from tests.conformance.wire import Answer, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.conformance.cases import Case, Scenario
    from tests.conformance.targets import Target
    from tests.conformance.webhook import Receiver

# Where the recordings' own receiver listened; it is in some recorded messages.
_RECORDED_WEBHOOK = "https://127.0.0.1:18443"
_BEFORE_WRITES_S = 0.4
_BETWEEN_WRITES_S = 0.1
# A command has to start and to open its watch first.
_BEFORE_WRITES_OF_A_COMMAND_S = 1.0
_GRACE_S = 10.0
# The least that a watch lasts during which something is written, however fast the clocks run.
_ROOM_FOR_WRITES_S = 1.5


# What a case that is no case, or a server that hangs up, comes out as: a failure like any other.
_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, aiohttp.ClientError)


@dataclass(frozen=True)
class Result:
    """What came of one case: no differences, or the lines that tell them."""

    case: Case
    differences: tuple[str, ...]


@dataclass
class Replay:
    """One run of a scenario."""

    target: Target
    wire: Wire
    kubectl: Path | None
    webhook: Receiver
    variables: dict[str, str] = field(default_factory=dict)
    last: Answer | None = None

    @classmethod
    def start(
        cls,
        target: Target,
        session: aiohttp.ClientSession,
        *,
        kubectl: Path | None,
        webhook: Receiver,
    ) -> Replay:
        """A run that knows the values that every scenario may use."""
        variables = {
            "token": target.token,
            "webhook": webhook.url,
            "webhook_ca": webhook.authority,
        }
        return cls(target, Wire(target, session), kubectl, webhook, variables)

    async def run(self, scenario: Scenario) -> AsyncIterator[Result]:
        """Replay every case in order."""
        notes = Notes(self, scenario)
        for case in scenario.cases:
            await asyncio.sleep(float(case.raw.get("sleep_before", 0)) * self.target.pace)
            try:
                found = await self._one(case, notes)
            except _BROKEN as error:
                found = [f"{type(error).__name__}: {error}"]
            yield Result(case, tuple(found))

    async def _one(self, case: Case, notes: Notes) -> list[str]:
        if case.kind == "http":
            return await self._http(case)
        if case.kind == "watch":
            return await self._watch(case)
        if case.kind == "kubectl":
            return await self._command(case)
        if case.kind == "note":
            return await notes.take(case)
        return [f"unknown kind of case: {case.kind!r}"]

    def fill(self, value: Any) -> Any:
        """A recorded value with what is known of this run put in."""
        if isinstance(value, str):
            value = value.replace(_RECORDED_WEBHOOK, self.webhook.url)
        return filled(value, self.variables)

    def expected(self, case: Case) -> Any:
        """The recorded answer, with what is known of this run put in."""
        return _replaced(filled(case.raw.get("response"), self.variables), self.webhook.url)

    async def _http(self, case: Case) -> list[str]:
        request = self.request(case.raw)
        poll = case.raw.get("poll")
        if poll:
            answer = await polls.until(lambda: self.wire.send(request), poll["until"], self.target)
        else:
            answer = await self.wire.send(request)
        self.last = answer
        self.capture(case.raw.get("capture") or {}, answer.decoded)
        return self.answer_differences(case, answer)

    def request(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The request of a case, ready to be sent."""
        wanted = ("method", "path", "query", "headers", "body")
        request = {k: filled(raw.get(k), self.variables) for k in wanted}
        # A case tells all of its headers; what is written beside it does not.
        return {**request, "as_recorder": raw.get("kind") not in ("http", "watch")}

    def capture(self, wanted: Mapping[str, str], answer: Any) -> None:
        """Keep values of an answer for later cases."""
        for name, pointer in wanted.items():
            there, value = at(answer, pointer)
            if there:
                self.variables[name] = str(value)

    def answer_differences(self, case: Case, answer: Answer) -> list[str]:
        """Where a whole answer differs from the recorded one."""
        found = []
        if case.raw["status"] != answer.status:
            found.append(f"status: expected {case.raw['status']}, got {answer.status}")
        headers = case.raw.get("response_headers_selected") or {}
        found += header_differences(headers, answer.headers)
        part = bool(case.raw.get("response_reduced"))
        expected, actual = self.expected(case), answer.decoded
        if part or _is_summary(expected):
            expected, actual = reduced(expected, answer.text)
        if not case.scenario.startswith(WITH_NODE):
            expected, actual = without_controllers(expected, actual)
        rules = Rules(case.volatile, case.optional, subset=part)
        return found + differences(expected, actual, rules)

    async def _watch(self, case: Case) -> list[str]:
        expected = self.expected(case)
        if not isinstance(expected, list):
            return await self._http(case)
        request = self.request(case.raw)
        opened = asyncio.Event()
        pace = self._pace(case)
        seconds = float(case.raw.get("seconds") or 0) * pace
        limit = seconds + (_GRACE_S if case.raw.get("closed_by") != "client" else 0)
        reading = asyncio.create_task(self.wire.watch(request, limit=limit, opened=opened))
        try:
            waiting = asyncio.create_task(opened.wait())
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            wrong = await self.during(case, _BEFORE_WRITES_S * pace)
            answer, events = await reading
        finally:
            reading.cancel()
        found = [*wrong]
        if case.raw["status"] != answer.status:
            found.append(f"status: expected {case.raw['status']}, got {answer.status}")
        headers = case.raw.get("response_headers_selected") or {}
        found += header_differences(headers, answer.headers)
        self.capture(case.raw.get("capture") or {}, events)
        return found + watch_differences(expected, events, Rules(case.volatile, case.optional))

    def _pace(self, case: Case) -> float:
        """How long a second of this watch lasts: long enough for what is written while it runs."""
        if self.target.set_pace is None:
            return 1.0
        pace = self.target.pace
        if case.raw.get("during"):
            seconds = float((case.raw.get("query") or {}).get("timeoutSeconds") or 1)
            pace = min(max(pace, _ROOM_FOR_WRITES_S / seconds), 1.0)
        self.target.set_pace(pace)
        return pace

    async def during(self, case: Case, wait: float) -> list[str]:
        """Make the writes that a case makes while it runs."""
        writes = case.raw.get("during") or ()
        if not writes:
            return []
        found = []
        await asyncio.sleep(wait)
        for number, write in enumerate(writes):
            if "sleep" in write:
                await asyncio.sleep(float(write["sleep"]) * self.target.pace)
                continue
            answer = await self.wire.send(self.request(write))
            if answer.status != write.get("status", answer.status):
                found.append(
                    f"during/{number}: expected {write['status']}, got {answer.status}: "
                    f"{answer.text[:200]}"
                )
            await asyncio.sleep(_BETWEEN_WRITES_S * self.target.pace)
        return found

    async def _command(self, case: Case) -> list[str]:
        if self.kubectl is None:
            return ["no kubectl was found; run `make setup`"]
        raw = filled(dict(case.raw), self.variables)
        wrong: list[str] = []

        async def writes() -> None:
            wrong.extend(await self.during(case, _BEFORE_WRITES_OF_A_COMMAND_S))

        with tempfile.TemporaryDirectory() as folder:
            outcome = await commands.run(
                raw,
                binary=self.kubectl,
                kubeconfig=self.target.kubeconfig,
                folder=Path(folder),
                during=writes if case.raw.get("during") else None,
            )
        return wrong + commands.differences(case.raw, outcome)


def _is_summary(expected: Any) -> bool:
    """Whether the recording tells of a body instead of keeping it."""
    return isinstance(expected, dict) and "_protobuf_bytes" in expected


def _replaced(value: Any, url: str) -> Any:
    if isinstance(value, str):
        return value.replace(_RECORDED_WEBHOOK, url)
    if isinstance(value, dict):
        return {k: _replaced(v, url) for k, v in value.items()}
    if isinstance(value, list):
        return [_replaced(v, url) for v in value]
    return value
