"""Replaying golden requests against the pod on trial.

Reads the gate's ConfigMap and sends its requests, one after the other, by the operator itself: it
reaches pods as it does Prometheus, and needs no image and no second pod for it. Judges nothing:
that is for `domain/gates/golden.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.domain.gates.golden import (
    INVALID,
    LATENCY_SENDS,
    Answered,
    Golden,
    content_hash,
    judge,
    parse,
    silent,
)
from tidegate.errors import NotFound, Terminal, Unreachable
from tidegate.inference.pods import NO_ANSWER
from tidegate.kube.resources import CONFIGMAPS

if TYPE_CHECKING:
    from tidegate.api.gate import Gate, GateResult
    from tidegate.inference.pods import Inference
    from tidegate.kube.client import Client

REPLAY_S = 30.0
"""All requests of one gate, together: one worker of the operator waits for them."""
REQUEST_S = 10.0


class GoldenReplay:
    """Sends the requests of gates to pods."""

    def __init__(self, client: Client, inference: Inference) -> None:
        self._client = client
        self._inference = inference

    async def content(self, gate: Gate, namespace: str) -> dict[str, str]:
        """What the gate's ConfigMap holds. Raises Terminal (`GoldenInvalid`) when there is none."""
        assert gate.requests is not None, "it is a gate of golden requests"
        name = gate.requests.config_map_ref.name
        try:
            found = await self._client.get(CONFIGMAPS, name, namespace=namespace)
        except NotFound:
            raise Terminal(
                INVALID, f"there is no ConfigMap {name} in namespace {namespace}; create it"
            ) from None
        return dict(found.get("data") or {})

    async def judge(self, gate: Gate, namespace: str, url: str) -> GateResult:
        """Replay a gate's requests at the pod's address `url` of inference, and judge them.

        :raises Terminal: `GoldenInvalid`: the ConfigMap is missing, or is not what it must be.
        :raises Unreachable: the pod cannot be reached.
        """
        assert gate.requests is not None, "it is a gate of golden requests"
        entries = await self.content(gate, namespace)
        name = gate.requests.config_map_ref.name
        recorded = not gate.requests.outputs
        requests = parse(entries, name=name, recorded=recorded)
        source = source_of(name, entries)
        try:
            async with asyncio.timeout(REPLAY_S):
                asked, seconds = await self._replay(gate, requests, url)
        except TimeoutError:
            many = f"{len(requests)} requests were not answered within {REPLAY_S:.0f} s"
            return silent(gate, f"{many}; record fewer, or make the model faster", source=source)
        except Unreachable as error:
            if error.reason == NO_ANSWER:
                mend = "make the model faster, or ask for less"
                return silent(gate, f"{error.message}; {mend}", source=source)
            raise Unreachable(
                f"{error.message}; does a NetworkPolicy keep the operator from the model's pods?",
                reason="PodUnreachable",
            ) from error
        return judge(gate, asked, seconds, source=source)

    async def _replay(
        self, gate: Gate, requests: tuple[Golden, ...], url: str
    ) -> tuple[list[tuple[Golden, Answered]], list[float]]:
        """Every request once, and again for its time where that matters."""
        asked, seconds = [], []
        for golden in requests:
            answer = await self._inference.infer(url, golden.body, timeout_s=REQUEST_S)
            asked.append((golden, Answered(golden.name, answer.status, answer.body)))
            seconds.append(answer.seconds)
        if gate.max_latency is None:
            return asked, seconds
        seconds = []  # what came first may have warmed caches: times are taken of what comes now
        for index in range(max(LATENCY_SENDS, len(requests))):
            golden = requests[index % len(requests)]
            answer = await self._inference.infer(url, golden.body, timeout_s=REQUEST_S)
            seconds.append(answer.seconds)
        return asked, seconds


def source_of(name: str, entries: dict[str, str]) -> str:
    """Where the requests were from, with a hash of what they were."""
    return f"ConfigMap {name}, sha256 {content_hash(entries)}"
