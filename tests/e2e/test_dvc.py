"""What DVC tracks in a git repository, from end to end: the Job resolves it, a pod fetches it."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.artifacts.test_dvc import HERE, PYTHON, environment
from tests.e2e.objects import condition, model, secret
from tests.e2e.stage import E2E, Stage

from tidegate.kube.resources import JOBS, MODELS
from tidegate.testing.forge import Forge, forge

if TYPE_CHECKING:
    from collections.abc import Iterator
pytestmark = E2E
PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def served(stage: Stage) -> Iterator[Forge]:
    """A git server with a private repository, whose remote is where files may be read."""
    folder = stage.artifacts["good"].path.parent / "dvc"
    folder.mkdir()
    files = [stage.artifacts[name].path for name in ("good", "better")]
    subprocess.run(
        [PYTHON, HERE / "dvc_repository.py", folder / "flights", folder / "remote", *files],
        check=True, capture_output=True, timeout=90, env=environment(folder),
    )  # fmt: skip
    with forge(folder) as found:
        found.password = PASSWORD
        yield found


def move_on(served: Forge) -> None:
    """Let the branch `main` be what `next` is."""
    bare = ["git", "-C", str(served.folder / "flights.git")]
    subprocess.run([*bare, "update-ref", "refs/heads/main", "next"], check=True, timeout=10)


async def test_a_branch_is_followed_from_a_private_repository_to_a_pod(
    stage: Stage, served: Forge
) -> None:
    where, good, better = "dvc", stage.artifacts["good"], stage.artifacts["better"]
    uri = f"dvc://{served.host}/flights.git//models/served?rev=main"
    more: dict[str, Any] = {"credentialsRef": {"name": "git"}, "pollInterval": "2s"}
    declared = model(where, uri, delivery="Direct", **more)
    first = await stage.serve(where, secret(where, "git", token=PASSWORD), declared)
    found = await stage.model(where)
    assert found["status"]["resolved"]["sha256"] == good.sha256
    await asyncio.to_thread(move_on, served)
    found = await stage.until(
        lambda seen: seen["status"]["delivery"]["stable"] != first, MODELS, where
    )
    assert found["status"]["resolved"]["sha256"] == better.sha256
    wrong = model(where, uri.replace("served", "serve"), delivery="Direct", **more)
    await stage.apply(wrong)
    found = await stage.until(
        lambda seen: condition(seen, "Resolved").get("reason") == "NotTracked", MODELS, where
    )
    assert "DVC tracks models/served" in condition(found, "Resolved")["message"]
    assert condition(found, "Available")["status"] == "True"
    jobs = (await stage.client.list(JOBS, namespace=where)).items
    assert PASSWORD not in str(jobs) + str(found)
