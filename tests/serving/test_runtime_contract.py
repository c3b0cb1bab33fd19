"""What every runtime promises, on real processes that are started as its pod template says: ready
only when it answers, 4xx for the caller's mistakes, counting under the revision, and an end by
SIGTERM that loses no request.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.serving.contract import KINDS, REVISION, Kind, Served, make_environment, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALLERS = 4

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    _make(found)
    return found


def _make(kind: Kind) -> None:
    """An optional runtime's environment is made when something needs it."""
    if "seldon" in kind.runtime:
        make_environment("seldon")


@pytest.fixture(scope="module")
def served(kind: Kind, logistic: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of a runtime, for all that leave it as it is. The first moment in which it says
    that it is ready, it answers."""
    folder = tmp_path_factory.mktemp(kind.name)
    with running(kind, folder, logistic.path, logistic.sha256) as server:
        server.wait_until_ready()
        assert server.ask(kind.good).status_code == 200
        yield server


def test_a_good_request_is_answered_and_says_which_revision_answered(served: Served) -> None:
    answer = served.ask(served.kind.good)
    assert answer.status_code == 200, answer.text
    if served.kind.names_revision:
        assert answer.headers["x-tidegate-revision"] == REVISION


def test_the_caller_s_mistakes_are_4xx_and_say_something(served: Served) -> None:
    for body, status in served.kind.bad:
        answer = served.ask(body)
        assert (answer.status_code, bool(answer.text)) == (status, True), (body, answer.text)
    assert served.ask(served.kind.good).status_code == 200


def test_what_the_model_fails_on_is_a_500_without_its_internals(served: Served) -> None:
    if served.kind.failing is None:
        return
    answer = served.ask(served.kind.failing)
    assert answer.status_code == 500, answer.text
    assert "NaN" not in answer.text
    assert "Traceback" in served.log
    assert served.ask(served.kind.good).status_code == 200


def test_answers_are_counted_by_status_under_model_and_revision(served: Served) -> None:
    before, timed = served.counted(), served.timed()
    assert {"200", "500"} <= before.keys()
    for _ in range(3):
        served.ask(served.kind.good)
    served.ask(served.kind.bad[0][0])
    for _ in range(2):
        served.ready_status()  # probes are not counted
    after = served.counted()
    grown = {code: count - before.get(code, 0) for code, count in after.items()}
    assert {code: count for code, count in grown.items() if count} == {"200": 3, "400": 1}
    assert served.timed() - timed >= 3


def test_the_end_loses_no_request(kind: Kind, logistic: Any, tmp_path: Path) -> None:
    """A pod is ordered to end while callers ask on kept connections. They go on until the gateway
    has heard of it; where there is a preStop wait, that is before SIGTERM, else after it."""
    with running(kind, tmp_path, logistic.path, logistic.sha256) as server:
        server.wait_until_ready()
        stop = threading.Event()
        answered: list[int] = []
        lost: list[str] = []

        def load() -> None:
            with httpx.Client(timeout=20) as client:
                while not stop.is_set():
                    try:
                        answered.append(server.ask(kind.good, client=client).status_code)
                    except httpx.HTTPError as error:
                        lost.append(repr(error))
                        return

        callers = [threading.Thread(target=load) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        _until(lambda: len(answered) >= 20 * CALLERS, server)
        if server.pre_stop_s == 0:
            server.terminate()
        before = len(answered)
        _until(lambda: len(answered) >= before + 20 * CALLERS, server)
        stop.set()
        for caller in callers:
            caller.join(timeout=30)
        if server.pre_stop_s > 0:
            server.terminate()
        grace_s = server.template["spec"]["terminationGracePeriodSeconds"]
        assert server.main.wait(timeout=grace_s - server.pre_stop_s) == 0, server.log
    assert lost == []
    assert set(answered) == {200}


def _until(reached: Callable[[], bool], server: Served) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["v2", "seldon"])
def test_a_model_that_cannot_be_loaded_ends_the_process_with_its_reason(
    name: str, logistic: Any, tmp_path: Path
) -> None:
    kind = next(each for each in KINDS if each.name == name)
    _make(kind)
    with running(kind, tmp_path, logistic.path, "0" * 64) as server:
        assert server.main.wait(timeout=60) != 0
        written = tmp_path / "termination-log"
        told = written.read_text() if written.exists() else server.log.strip().splitlines()[-1]
    assert json.loads(told)["reason"] == "DigestMismatch"
