"""What rollouts cost the operator: CPU of one look, CPU and memory of a thousand, size of a status.

    PYTHONPATH=operator:. .tidegate/env/dev/bin/python tests/benchmarks/rollout.py [--small]

A Rollout with five metrics is brought to its second step through the real controllers and an API
server in memory. Copies of it are then delivered by the real delivery controller, on the real
clock, with its work queue, its Prometheus adapter and its coalescing of queries, and looked after
by the real Model controller. Beside them stand an API server that takes every write and answers at
once, and, in a process of its own, a Prometheus that answers from a formula. CPU is that of the
whole process over what was evaluated in it: queries, decoding, decisions, writes and queues.

Aims: under 3 ms CPU an evaluation, under 60 % of one core and under 300 MB for 1,000 rollouts at
15 s, under 16 kB of status with managedFields at 60 pods.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
import psutil
from tests.benchmarks.formula import FormulaPrometheus

from tidegate.app import controllers
from tidegate.artifacts.base import Resolved
from tidegate.kube.client import Client
from tidegate.kube.clock import SystemClock
from tidegate.kube.events import Recorder
from tidegate.kube.objects import name_of
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    HTTPROUTES,
    MODELS,
    NETWORKPOLICIES,
    PODDISRUPTIONBUDGETS,
    PODS,
    ROLLOUTS,
    SERVICES,
)
from tidegate.kube.transport import Response
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.sources import PrometheusMetrics
from tidegate.runtime.cache import Cache
from tidegate.runtime.process import INDEXED_LABELS, Context, connect, wake
from tidegate.settings import Settings
from tidegate.specs.metadata import MANAGED_BY, MODEL_LABEL, REVISION_LABEL
from tidegate.testing.inference import FakeInference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AsyncExitStack

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

KINDS = (
    MODELS, ROLLOUTS, CONTROLLERREVISIONS, DEPLOYMENTS, SERVICES, PODDISRUPTIONBUDGETS,
    NETWORKPOLICIES, HTTPROUTES, PODS,
)  # fmt: skip
NAME, NAMESPACE = "flight-delay", "demo"
"""Of the Model of tests/controllers/site.py."""
BY_PLURAL = {res.plural: res for res in KINDS}
INTERVAL_S = 15.0
WARM_UP_S = 240
"""How long everybody may take to find their place in the tick, where the machine is busy."""
POD_SPEC_BYTES = 6000
"""What the spec of a real pod weighs: it comes with every event, and is not kept."""
PODS_AN_ARM = 2
METRICS = [
    {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}},
    {"name": "strict", "type": "ErrorRate", "margin": {"ratio": 1.2, "absolute": 0.02}},
    {"name": "latency", "type": "Latency", "margin": {"ratio": 1.5}},
    {"name": "tail", "type": "Latency", "quantiles": [0.9], "margin": {"ratio": 2}},
    {"name": "slo", "type": "ErrorRate", "max": 0.05},
]
_TIME = re.compile(r'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"')

type Stock = dict[Resource, list[Object]]


async def prototype() -> Stock:
    """All objects of one delivery that stands at its second step, with evidence."""
    # Late, as below: the server in memory is no part of an operator, whose memory is measured.
    from tests.controllers.site import Site

    from tidegate.testing.kube import FakeKube

    async with FakeKube.start() as kube:
        site = Site(kube)
        steps = [{"weight": 5, "duration": "30s"}, {"weight": 25, "duration": "24h"}]
        analysis = {"interval": "15s", "warmup": "10s", "minRequests": 500, "metrics": METRICS}
        await site.start(strategy={"canary": {"steps": steps}}, analysis=analysis, deadline="48h")
        await site.ask_for("https://models/v2")
        for _ in range(600):
            await site.pass_time(seconds=1)
            if 25 in (await site.weights()).values():
                break
        await site.pass_time(seconds=60)
        found: Stock = {
            res: list((await kube.user.list(res, namespace=NAMESPACE)).items) for res in KINDS
        }
        await site.harness.close()
        return shifted(found, datetime.now(UTC) - kube.clock.now())


def shifted(stock: Stock, by: timedelta) -> Stock:
    """The same objects, as if all had happened later."""

    def later(match: re.Match[str]) -> str:
        moment = datetime.fromisoformat(match[1]) + by
        text = moment.isoformat(timespec="microseconds" if "." in match[1] else "seconds")
        return f'"{text.replace("+00:00", "Z")}"'

    def moved(obj: Object) -> Object:
        text = _TIME.sub(later, json.dumps(obj))
        found: Object = json.loads(text)
        return found

    return {res: [moved(obj) for obj in listed] for res, listed in stock.items()}


def copies(stock: Stock, count: int) -> Iterator[tuple[Resource, Object]]:
    """So many deliveries like the first one, each with names, hosts and pods of its own."""
    texts = [(res, json.dumps(_bare(obj))) for res, listed in stock.items() for obj in listed]
    for number in range(count):
        for res, text in texts:
            named = text.replace(NAME, f"model-{number:05d}").replace(
                "flights.example", f"m{number:05d}.example"
            )
            named = named.replace('"flights"', f'"rollout-{number:05d}"')
            named = re.sub(r'"uid": ?"([^"]+)"', rf'"uid": "\1-{number}"', named)
            obj: Object = orjson.loads(named)  # as the client reads them: keys are shared
            if res is ROLLOUTS:
                _spread(obj, number / count)
            yield res, obj
            if res is DEPLOYMENTS:
                for index in range(PODS_AN_ARM):
                    yield PODS, pod_of(obj, index)


def _bare(obj: Object) -> Object:
    """The object as a cache keeps it."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return {**obj, "metadata": metadata}


def _spread(rollout: Object, share: float) -> None:
    """Let the next evaluation come somewhere in the interval, as those of real rollouts do."""
    step, now = rollout["status"]["step"], datetime.now(UTC)
    counted = now - timedelta(seconds=(2 + share) * INTERVAL_S)
    due = now + timedelta(seconds=(1 - share) * INTERVAL_S)
    step["startedAt"] = step["lastBatchEnd"] = f"{counted:%Y-%m-%dT%H:%M:%S}Z"
    step["nextEvaluationAt"] = f"{due:%Y-%m-%dT%H:%M:%S}Z"


def pod_of(deployment: Object, index: int) -> Object:
    """A ready pod of a Deployment."""
    labels = {**MANAGED_BY, **deployment["spec"]["template"]["metadata"]["labels"]}
    assert MODEL_LABEL in labels
    assert REVISION_LABEL in labels
    ready = {"name": "server", "ready": True, "restartCount": 0, "state": {"running": {}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name_of(deployment)}-{index}",
            "namespace": NAMESPACE,
            "uid": f"{name_of(deployment)}-{index}",
            "resourceVersion": "1",
            "labels": labels,
        },
        "spec": {"of a real pod": "." * POD_SPEC_BYTES},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [ready]},
    }


class Pinned:
    """A source of artifacts that are all pinned, and so what their Models say."""

    async def resolve(self, uri: str, *, sha256: str | None, **_: Any) -> Resolved:
        """What stands behind a URI."""
        assert sha256 is not None, "the prototype's artifacts are pinned"
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return Resolved(version=sha256[:8], location=uri, sha256=sha256, size=1, at=at)


class TakesAll:
    """An API server that takes every write, says what stands then, and counts. What stood before it
    reads from the operator's own cache, so that it needs no memory."""

    def __init__(self, cache: Cache) -> None:
        self.asked: Counter[str] = Counter()
        self._cache = cache
        self._version = 10_000_000

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Take a write."""
        parts = unquote(path).split("/")
        under = parts.pop() if parts[-1] in ("status", "scale") else ""
        plural, name = parts[-2:]
        self.asked[f"{method} {plural}{'/' if under else ''}{under}"] += 1
        self._version += 1
        sent = orjson.loads(body or b"{}")
        res = BY_PLURAL.get(plural)
        before = (self._cache.get(res, NAMESPACE, name) if res else None) or {}
        after = {**before, "status": _status(before, sent)} if under else _over(before, sent)
        version = {"resourceVersion": str(self._version)}
        after["metadata"] = {**after.get("metadata", {}), **version}
        return Response(200, {}, orjson.dumps(after))

    def stream(self, *_: Any, **__: Any) -> Any:
        """Nothing is watched here."""
        raise AssertionError("the benchmark watches nothing")

    async def close(self) -> None:
        """Nothing to close."""


def _over(before: Object, sent: Object) -> Object:
    """An object after an apply of some of its fields."""
    both = {
        key: _over(before[key], value)
        if isinstance(value, dict) and isinstance(before.get(key), dict)
        else value
        for key, value in sent.items()
    }
    return {**before, **both}


def _status(before: Object, sent: Object) -> Object:
    """A status after an apply: conditions are of whoever names them, the rest is the sender's."""
    was, now = before.get("status", {}), sent.get("status", {})
    if before.get("kind") != MODELS.kind:
        return dict(now)
    told = {condition["type"]: condition for condition in now.get("conditions", ())}
    kept = [one for one in was.get("conditions", ()) if one["type"] not in told]
    return {**was, **now, "conditions": [*kept, *told.values()]}


async def run(
    stock: Stock, *, count: int, seconds: float, warm_up: int, stack: AsyncExitStack
) -> dict[str, Any]:
    """Deliver so many copies for a while; what it cost per second and in all."""
    clock, cache = SystemClock(), Cache(SystemClock(), indexed_labels=INDEXED_LABELS)
    server = TakesAll(cache)
    client = Client(server, clock=clock)
    source = FormulaPrometheus.started()
    stack.callback(source.stop)
    prometheus = Prometheus(source.url, timeout=timedelta(seconds=10))
    stack.push_async_callback(prometheus.close)
    settings = Settings(
        scrape_interval=timedelta(seconds=INTERVAL_S), cache_claim="cache", workers=4
    )
    metrics = PrometheusMetrics(
        prometheus, profile="envoy", scrape_interval=settings.scrape_interval
    )
    context = Context(settings, client, cache, Recorder(client), clock, stack)
    both = controllers(context, resolver=Pinned(), metrics=metrics, inference=FakeInference())
    for res, obj in copies(stock, count):
        cache.note(res, obj)
    connect(both, cache)
    wake(both, cache)
    work = [asyncio.create_task(controller.run()) for controller in both]
    await _settled(server, count, within_s=warm_up)
    found = await _measured(server, source, seconds)
    for controller in both:
        controller.close()
    await asyncio.gather(*work)
    return {"rollouts": count, **found}


async def _settled(server: TakesAll, count: int, *, within_s: int) -> None:
    """Wait until everybody has been evaluated four times: by then queries are shared, and the first
    batches, for which there were not two scrapes yet, are past."""
    for _ in range(within_s):
        if server.asked["PATCH rollouts/status"] >= 4 * count:
            return
        await asyncio.sleep(1)


async def _measured(server: TakesAll, source: FormulaPrometheus, seconds: float) -> dict[str, Any]:
    process = psutil.Process()
    before, asked, queries = process.cpu_times(), Counter(server.asked), await source.asked()
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took, after = time.monotonic() - began, process.cpu_times()
    writes = server.asked - asked
    evaluations = writes["PATCH rollouts/status"]
    cpu = after.user + after.system - before.user - before.system
    return {
        "cpu": cpu / took,
        "memory_mb": process.memory_info().rss / 1e6,
        "looks": evaluations / took,
        "ms": 1000 * cpu / max(1, evaluations),
        "queries": (await source.asked() - queries) / took,
        "writes": {name: round(number / took, 2) for name, number in sorted(writes.items())},
    }


def _prepared() -> tuple[Stock, datetime, int, int, float]:
    """The prototype's objects and the time they are of; and what is measured of one: bytes of its
    status, of the largest there is, and milliseconds of CPU of an evaluation."""

    from tests.benchmarks.evaluation import evaluation_ms, status_bytes, with_all_types

    async def measure() -> tuple[Stock, datetime, int, int, float]:
        stock, ready = await prototype(), datetime.now(UTC)
        rollout = stock[ROLLOUTS][0]
        size, largest = await status_bytes(rollout), await status_bytes(with_all_types(rollout))
        return stock, ready, size, largest, evaluation_ms(rollout)

    return asyncio.run(measure())


async def main(arguments: argparse.Namespace) -> int:
    """Measure and print; the exit code is 1 when an aim is missed."""
    from contextlib import AsyncExitStack

    # In a process of its own: the API server in memory is no part of an operator's memory.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        running = asyncio.get_running_loop().run_in_executor(apart, _prepared)
        stock, ready, size, largest, alone = await running
    sys.stdout.write(
        f"status of five metrics with managedFields: {size / 1000:.1f} kB (aim: under 16);"
        f" of ten of all types with 12 quantiles and others: {largest / 1000:.1f} kB (the same)\n"
        f"one evaluation of five metrics: {alone:.2f} ms CPU (aim: under 3)\n"
    )
    missed = largest >= 16_000 or size >= 16_000 or alone >= 3
    for count in arguments.counts:
        stock, ready = shifted(stock, datetime.now(UTC) - ready), datetime.now(UTC)
        async with AsyncExitStack() as stack:
            found = await run(
                stock,
                count=count,
                seconds=arguments.seconds,
                warm_up=arguments.warm_up,
                stack=stack,
            )
        sys.stdout.write(
            f"{count:5d} rollouts: {found['cpu']:6.1%} of a core, {found['memory_mb']:.0f} MB,"
            f" {found['looks']:.1f} evaluations/s,"
            f" {found['ms']:.2f} ms CPU each with queries, writes and all,"
            f" {found['queries']:.2f} queries/s; writes/s {found['writes']}\n"
        )
        missed |= found["cpu"] >= 0.6 or found["memory_mb"] >= 300
    sys.stdout.write("an aim is missed\n" if missed else "all aims are met\n")
    return int(missed)


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--small", action="store_true", help="5 rollouts for 2 s, to see it run")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-up", type=int, default=WARM_UP_S, help="seconds at most")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000])
    found = parser.parse_args(words)
    if found.small:
        found.counts, found.seconds, found.warm_up = [5], 2.0, 2
    return found


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments_of())))
