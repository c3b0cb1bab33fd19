"""Replays recorded cases of a real API server, and prints every difference.

    make conformance                        the cases of this folder against an embedded server
    make conformance KUBECONFIG=path        against any cluster
    make conformance CASES=folder           other cases in the same format
    make conformance ARGS="03_crud 07_ssa"  some scenarios only

Exit status 1 when a case failed, 2 when there was nothing to replay. The last line is
`N passed, M failed`; cases in which the embedded server differs on purpose (`differences.json`) are
neither, and are told before.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

import aiohttp  # noqa: E402
from tests.conformance import targets  # noqa: E402
from tests.conformance.cases import Case, Scenario, load, scenario_files  # noqa: E402
from tests.conformance.listed import Listed, Outcome, outcome, relist  # noqa: E402
from tests.conformance.replay import Replay, Result  # noqa: E402
from tests.conformance.undo import Undo  # noqa: E402
from tests.conformance.webhook import receiver  # noqa: E402

from tidegate.errors import TidegateError  # noqa: E402
from tidegate.local.cluster.kubectl import kubectl_binary  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

CASES = Path(__file__).parent / "cases"
# Scenarios of an embedded server that run at once.
_AT_ONCE = 4
# A recorded second of waiting takes this long with an embedded server, whose clocks follow.
PACE = 0.2


def kubectl() -> Path | None:
    """kubectl, if there is one."""
    try:
        return kubectl_binary(beside=ROOT / ".tidegate" / "bin")
    except TidegateError:
        return None


async def replay_embedded(
    scenario: Scenario, folder: Path, *, pace: float = PACE
) -> AsyncIterator[Result]:
    """Replay a scenario against a fresh embedded server."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        target = await enter(targets.embedded(scenario.name, folder, pace=pace))
        session = await enter(aiohttp.ClientSession())
        webhook = await enter(receiver(folder))
        replay = Replay.start(target, session, kubectl=kubectl(), webhook=webhook)
        async for result in replay.run(scenario):
            yield result


async def replay_real(scenario: Scenario, folder: Path, kubeconfig: Path) -> AsyncIterator[Result]:
    """Replay a scenario against a real cluster, and remove what it created."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        target = targets.real(kubeconfig, folder)
        session = await enter(aiohttp.ClientSession())
        webhook = await enter(receiver(folder))
        replay = Replay.start(target, session, kubectl=kubectl(), webhook=webhook)
        async with Undo(replay, scenario):
            async for result in replay.run(scenario):
                yield result


def told(result: Result, listed: Listed) -> str:
    """What is printed of a result; nothing when it is as recorded."""
    label, found = result.case.label, outcome(result.case.label, result.differences, listed)
    if found is Outcome.SAME:
        return ""
    if found is Outcome.ON_PURPOSE:
        return f"{label}: differs on purpose: {listed[label].why}\n"
    lines = result.differences or ("is listed in differences.json, but does not differ",)
    return "".join([f"{label}\n", *(f"    {line}\n" for line in lines)])


async def _one(result: Result) -> AsyncIterator[Result]:
    yield result


async def _all(options: argparse.Namespace, files: Mapping[str, Path]) -> list[Result]:
    listed = Listed() if options.kubeconfig else Listed.load()
    gate = asyncio.Semaphore(1 if options.kubeconfig else _AT_ONCE)
    found: list[Result] = []

    async def one(name: str, path: Path, folder: Path) -> None:
        async with gate:
            place = folder / name
            place.mkdir()
            try:
                scenario = load(path, name)
            except (OSError, ValueError) as error:
                unread = Case(name, 0, "cannot be read", "", {})
                results = _one(Result(unread, (str(error),)))
            else:
                results = (
                    replay_real(scenario, place, options.kubeconfig)
                    if options.kubeconfig
                    else replay_embedded(scenario, place, pace=options.pace)
                )
            async for result in results:
                found.append(result)
                sys.stdout.write(told(result, listed))
                sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        await asyncio.gather(*(one(name, path, Path(folder)) for name, path in files.items()))
    return found


def _count(results: Sequence[Result], listed: Listed) -> int:
    outcomes = [outcome(r.case.label, r.differences, listed) for r in results]
    passed, purpose = (outcomes.count(o) for o in (Outcome.SAME, Outcome.ON_PURPOSE))
    if purpose:
        sys.stdout.write(f"{purpose} differ on purpose (docs/conformance.md)\n")
    failed = len(outcomes) - passed - purpose
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    """Replay what the arguments name; see the module."""
    parser = argparse.ArgumentParser(description="Replay recorded cases against an API server.")
    parser.add_argument("--cases", type=Path, default=CASES, help="a folder of scenarios")
    parser.add_argument("--kubeconfig", type=Path, help="replay against this cluster")
    parser.add_argument("--pace", type=float, default=PACE, help="seconds per recorded second")
    parser.add_argument("scenarios", nargs="*", help="beginnings of scenario names; default all")
    parser.add_argument("--relist", action="store_true", help="write differences.json anew")
    options = parser.parse_args(arguments)
    wanted = tuple(options.scenarios) or ("",)
    try:
        found = scenario_files(options.cases)
    except OSError as error:
        sys.stderr.write(f"{options.cases}: {error}\n")
        return 2
    files = {name: path for name, path in found.items() if name.startswith(wanted)}
    if not files:
        sys.stderr.write(f"{options.cases}: no scenarios there (*.jsonl or *.jsonl.gz)\n")
        return 2
    try:
        results = asyncio.run(_all(options, files))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.relist:
        relist({r.case.label: r.differences for r in results})
    return _count(results, Listed() if options.kubeconfig else Listed.load())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
