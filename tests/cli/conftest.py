"""A whole operator in memory, behind HTTP, and the command line in front of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAMESPACE, Site

from tidegate.cli import main
from tidegate.local.apiserver import ADMIN_TOKEN, serve
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """What one run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


type Tidegate = Callable[..., Awaitable[Ran]]
type Validate = Callable[..., Ran]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        yield Site(kube)


@pytest.fixture
async def tidegate(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Tidegate]:
    """Runs `tidegate …` against the site over HTTP, while the operator works unless told not to."""
    front = await serve(site.kube.api, host="127.0.0.1", port=0)
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{front.port}")))
    monkeypatch.setenv("KUBECONFIG", str(config))

    async def run(*arguments: str, operator: bool = True) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tidegate", *arguments])
        capsys.readouterr()
        running = asyncio.create_task(asyncio.to_thread(_exit_code))
        while not running.done():
            if operator:
                await site.harness.settle()
            await asyncio.sleep(0.01)
        shown = capsys.readouterr()
        return Ran(await running, shown.out, shown.err)

    yield run
    await front.close()


PERSONS = ("alice", "bob", "carol")
"""Contexts of their own; a test that uses one gives the server its user (`NAME-token`)."""


def kubeconfig(server: str) -> dict[str, Any]:
    persons = [{"name": f"{name}'s", "user": {"token": f"{name}-token"}} for name in PERSONS]
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "alice", "user": {"token": ADMIN_TOKEN}}, *persons],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "alice", "namespace": NAMESPACE}},
            {"name": "away", "context": {"cluster": "c", "user": "alice", "namespace": "away"}},
            *(
                {
                    "name": name,
                    "context": {"cluster": "c", "user": f"{name}'s", "namespace": NAMESPACE},
                }
                for name in PERSONS
            ),
        ],
        "current-context": "here",
    }


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@pytest.fixture
def validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Validate:
    """Runs `tidegate validate …` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tidegate", "validate", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run
