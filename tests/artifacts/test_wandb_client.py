"""The W&B server in small, held against W&B's own client: what that downloads, we fetch too."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.artifacts.test_wandb import fetch

from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.wandb.manifest import parse_manifest
from tidegate.artifacts.wandb.source import WandbSource
from tidegate.testing.wandb import FakeWandb, Run

if TYPE_CHECKING:
    from tidegate.artifacts.base import Resolved

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", HERE.parents[1] / ".tidegate/env"))
KEY = "k" * 40
FILES = {"model.onnx": b"weights " * 1000, "sub/config.json": b"{}", "odd name%.txt": b"odd"}
NEXT = {"model.onnx": b"better weights"}
REGISTRY = "Acme Inc/wandb-registry-model/flights:champion"
NAMES = ["acme/fraud/model:prod", "acme/fraud/model:v1", REGISTRY]
ABSENT = ["acme/fraud/model:none", "acme/nothing/model:prod"]


def logged(server: FakeWandb) -> None:
    """Two versions, the second of which is linked to a registry."""
    server.key, server.organizations = KEY, {"Acme Inc": "acme_0a1b"}
    server.log(FILES, "prod", run=Run("r1"))
    better = server.log(NEXT, "next", algorithm="XXH128")
    server.link(
        better, "champion", name="flights", project="wandb-registry-model", entity="acme_0a1b"
    )


async def by_the_client(server: FakeWandb, folder: Path) -> dict[str, Any]:
    """What W&B's own client says and downloads; it brings a program of its own along."""
    surroundings = {
        "HOME": str(folder), "PATH": "/usr/bin:/bin", "WANDB_BASE_URL": server.url,
        "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        str(ENVIRONMENTS / "wandb" / "bin" / "python"), str(HERE / "wandb_client.py"), str(folder),
        *NAMES, *ABSENT, env=surroundings, cwd=folder, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    said: dict[str, Any] = json.loads((folder / "said.json").read_text())
    return said


@pytest.mark.timeout(120)
async def test_what_its_own_client_downloads_is_what_a_pod_fetches(tmp_path: Path) -> None:
    async with FakeWandb.start() as server:
        logged(server)
        theirs = await by_the_client(server, tmp_path)
        assert server.told_store == [None] * len(server.told_store)
        source = WandbSource()
        secret = Credentials("wandb", {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY})
        for name in NAMES:
            found: Resolved = await source.resolve(
                f"wandb://{name}", format="custom", sha256=None, previous=None, credentials=secret
            )
            content = await asyncio.to_thread(fetch, found.location, KEY)
            assert theirs[name]["files"] == {
                path: hashlib.sha256(data).hexdigest() for path, data in content.items()
            }
            assert found.version == f"{theirs[name]['version']} ({theirs[name]['digest']})"
        await source.close()
    assert all("not found" in theirs[name]["error"] for name in ABSENT)
    # The manifest that it makes of the same files is the one that its server in small has.
    made, ours = theirs[NAMES[0]]["made"], server.memberships[0].version
    (elsewhere, *files) = parse_manifest(json.dumps(made["manifest"]).encode(), what="theirs")
    assert made["digest"] == ours.digest
    assert files == parse_manifest(ours.manifest, what="ours")
    assert elsewhere.ref == "https://models.example/big.bin"
